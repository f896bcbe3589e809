"""Weights are copied by layer name, and feature maps returned by stage name."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.model.features import features
from reszoo.model.saving import load_model, save_model
from tests.model.specs import small

X = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype("uint8")


def test_copied_weights_give_equal_numbers_in_another_build() -> None:
    source = build(small(), seed=0)
    target = build(small(), seed=1, device="cpu")
    copy_weights(source, target)
    np.testing.assert_allclose(target(X), source(X), atol=1e-5)


def test_backbone_takes_its_weights_from_a_model_with_a_head() -> None:
    source, backbone = build(small(), seed=0), build(small(), seed=1, head=False)
    copy_weights(source, backbone)
    for weight, other in zip(backbone.weights, source.weights, strict=False):
        np.testing.assert_array_equal(weight.numpy(), other.numpy())


def test_missing_layer_is_named_with_its_model() -> None:
    with pytest.raises(UserError, match=r"(?s)head_logits.*small_residual"):
        copy_weights(build(small(), head=False), build(small()))


def test_weights_that_do_not_fit_are_named_and_nothing_is_copied() -> None:
    source, target = build(small(), seed=0), build(small(classes=7), seed=1)
    before = target.get_layer("stem_conv").kernel.numpy()
    with pytest.raises(UserError, match=r"(?s)head_logits.*\(8, 7\).*\(8, 5\)"):
        copy_weights(source, target)
    np.testing.assert_array_equal(target.get_layer("stem_conv").kernel.numpy(), before)


def test_features_are_the_stages_maps(tmp_path: Path) -> None:
    model = build(small(), seed=0)
    save_model(model, tmp_path / "net.keras", spec=small())
    opened = load_model(tmp_path / "net.keras").model
    maps = features(opened, ["stem", "stage1", "stage2"])(X)
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "stem": (2, 8, 8, 4),
        "stage1": (2, 8, 8, 4),
        "stage2": (2, 4, 4, 8),
    }
    last = np.asarray(maps["stage2"]).mean(axis=(1, 2))
    logits = opened.get_layer("head_logits")
    np.testing.assert_allclose(last @ logits.kernel + logits.bias, model(X), atol=1e-5)


def test_backbone_hands_out_its_own_last_map() -> None:
    backbone = build(small(), seed=0, head=False, device="cpu")
    maps = features(backbone, ["stage2"])(X)
    np.testing.assert_array_equal(maps["stage2"], backbone(X))


def test_unknown_stage_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="stem, stage1, stage2"):
        features(build(small()), ["stage3"])


def test_a_model_that_stock_keras_loaded_needs_its_spec(tmp_path: Path) -> None:
    save_model(build(small(), seed=0), tmp_path / "net.keras", spec=small())
    opened = keras.models.load_model(tmp_path / "net.keras")
    with pytest.raises(UserError, match="pass its architecture"):
        features(opened, ["stage1"])
    assert features(opened, ["stage1"], spec=small())(X)["stage1"].shape == (2, 8, 8, 4)


def test_model_of_another_spec_is_refused() -> None:
    other = small(stages=[{"depth": 4, "width": 4}])
    with pytest.raises(UserError, match="is not one of"):
        features(build(small()), ["stage1"], spec=other)
