"""A fake-quantized model computes what the trained one does, rounded, and is saved as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from reszoo.model.build import build
from reszoo.model.features import features
from reszoo.model.quantized_model import is_fake_quantized, learned_limits, quantized_model
from reszoo.model.saving import load_model, save_model
from reszoo.planning.network import plan
from tests.model.specs import small

KINDS: dict[str, dict[str, Any]] = {
    "residual": {},
    "highway": {"block": {"connection": "highway"}},
    "pre-activation": {"block": {"order": "full_pre", "shortcut": "projection"}},
    "scaled": {"block": {"connection": "scaled", "shortcut": "zero_pad"}},
    "shortcut gate": {"block": {"connection": "shortcut_gate", "shortcut": "zero_pad"}},
    "stochastic": {"block": {"connection": "stochastic", "survival_probability": 0.7}},
    "eca": {"block": {"attention": "eca"}},
    "silu": {"activation": "silu"},
}
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)


def trained(spec: Any) -> keras.Model:
    """A model whose normalisations and scales are those of no fresh network."""
    model = build(spec, seed=0)
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance", "factor"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean", "bias"):
            weight.assign(random.normal(0, 0.3, weight.shape))
    return model


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("kind", KINDS)
def test_model_computes_the_trained_function_to_its_rounding(kind: str) -> None:
    spec = small(**KINDS[kind])
    model = trained(spec)
    quantized = quantized_model(model, plan(spec), IMAGES)
    expected = np.asarray(model(IMAGES, training=False))
    difference = np.abs(np.asarray(quantized(IMAGES)) - expected)
    assert 0 < difference.max() < 0.1 * np.abs(expected).max()


def test_ranges_begin_with_the_extremes_of_the_trained_network() -> None:
    spec = small("highway", block={"connection": "highway"})
    model = trained(spec)
    limits = learned_limits(quantized_model(model, plan(spec), IMAGES))
    names = ("stem_activation", "stage1_block1_merge_multiply", "head_logits")
    outputs = keras.Model(model.input, [model.get_layer(name).output for name in names])(IMAGES)
    for name, output in zip(names, outputs, strict=True):
        extremes = (min(np.min(output), 0), max(np.max(output), 0))
        # The constants of the normalisation are rounded already, the largest by half a 127th.
        assert limits[f"{name}_range"] == pytest.approx(extremes, rel=2e-3)


def test_saved_model_comes_back_bit_for_bit_with_its_plan(tmp_path: Path) -> None:
    spec = small()
    quantized = quantized_model(trained(spec), plan(spec), IMAGES)
    quantized.compile()  # as training does: it is rebuilt from the plan
    save_model(quantized, tmp_path / "net.keras", spec=spec)
    loaded = load_model(tmp_path / "net.keras")
    assert is_fake_quantized(loaded.model)
    assert not is_fake_quantized(build(spec))
    np.testing.assert_array_equal(loaded.model(IMAGES), quantized(IMAGES))
    assert loaded.model.reszoo_plan.outputs[0].row == "head_logits_range"
    maps = features(loaded.model, ["stage1"], spec=spec)(IMAGES)
    assert maps["stage1"].shape == (40, 8, 8, 4)
