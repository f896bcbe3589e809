"""A model for another image size shares the first model's variables."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.spec import from_mapping
from reszoo.spec.architecture import Architecture


def spec(side: int) -> Architecture:
    """With a strided convolution on even maps (padded by a layer) and on odd ones (by itself)."""
    return from_mapping(
        {
            "name": "net",
            "input": {"shape": [side, side, 3], "mean": 120, "std": 60},
            "stem": {"filters": 4},
            "block": {"survival_probability": 0.6, "dropout": 0.2, "attention": "se"},
            "stages": [{"depth": 1, "width": 4}, {"depth": 2, "width": 128, "stride": 2}],
            "head": {"dropout": 0.3},
            "classes": 5,
        }
    )


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize(
    ("side", "other", "device"), [(16, 15, None), (16, 12, "cpu"), (15, 24, "cpu")]
)
def test_it_computes_what_a_copy_would_and_trains_the_first(
    side: int, other: int, device: str | None
) -> None:
    owner = build(spec(side), seed=1, device=device)
    view = build(spec(other), device=device, shared=owner)
    copy = build(spec(other), seed=9, device=device)
    copy_weights(owner, copy)
    assert {id(one) for one in view.variables} == {id(one) for one in owner.variables}
    images = np.random.default_rng(0).integers(0, 256, (4, other, other, 3)).astype("uint8")
    np.testing.assert_array_equal(view(images), copy(images))

    before = [np.array(weight) for weight in owner.weights]
    view.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    view.fit(images, np.ones((4, 5)), verbose=0)
    changed = [not np.array_equal(old, new) for old, new in zip(before, owner.weights, strict=True)]
    assert all(changed)


def test_dropout_goes_on_with_the_first_one_s_random_numbers() -> None:
    owner = build(spec(16), seed=1)
    view = build(spec(12), shared=owner)
    assert view.get_layer("head_dropout") is owner.get_layer("head_dropout")
