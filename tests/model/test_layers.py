"""The layers that stock Keras lacks compute their definitions and load from files."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from reszoo.model.layers import Blur, ConstantPadding2D, LearnedScale

X = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")


def blurred(x: np.ndarray, stride: int) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    height, width = x.shape[1:3]
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    total = sum(
        weights[i, j] * padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)
    )
    return total[:, ::stride, ::stride]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_blur_is_the_binomial_filter_with_reflected_borders(stride: int) -> None:
    found = Blur(stride)(X)
    assert found.shape == Blur(stride).compute_output_shape(X.shape)
    np.testing.assert_allclose(found, blurred(X, stride), atol=1e-6)


def test_blur_of_one_axis_takes_a_signal_and_leaves_the_other_axis() -> None:
    signal = X[:, :1]
    expected = (np.pad(signal, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="reflect") / 4).astype("f4")
    expected = expected[:, :, :-2] + 2 * expected[:, :, 1:-1] + expected[:, :, 2:]
    found = Blur((1, 2))(signal)
    assert found.shape == Blur([1, 2]).compute_output_shape(signal.shape) == (2, 1, 3, 3)
    np.testing.assert_allclose(found, expected[:, :, ::2], atol=1e-6)
    assert Blur((1, 2))(X).shape == (2, 5, 3, 3)


def test_padding_holds_its_value() -> None:
    layer = ConstantPadding2D(((1, 0), (0, 2)), float("-inf"))
    found = np.asarray(layer(X))
    assert found.shape == layer.compute_output_shape(X.shape)
    np.testing.assert_array_equal(found[:, 1:, :6], X)
    assert np.all(np.isneginf(found[:, 0]))
    assert np.all(np.isneginf(found[:, :, 6:]))


@pytest.mark.parametrize(("granularity", "count"), [("scalar", 1), ("channel", 3)])
def test_scale_multiplies_by_learned_factors(granularity: str, count: int) -> None:
    layer = LearnedScale(granularity, 0.5)
    np.testing.assert_allclose(layer(X), 0.5 * X)
    assert layer.count_params() == count
    assert len(layer.trainable_weights) == 1


def test_scale_of_unknown_granularity_is_refused() -> None:
    with pytest.raises(ValueError, match="granularity"):
        LearnedScale("pixel", 0.5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: Blur(2, **o),
        lambda **o: Blur((1, 2), **o),
        lambda **o: ConstantPadding2D(((1, 1), (1, 1)), float("-inf"), **o),
        lambda **o: LearnedScale("channel", 0.3, **o),
    ],
    ids=["blur", "blur of one axis", "padding", "scale"],
)
def test_layers_survive_a_file(tmp_path: Path, make: object, dtype: str) -> None:
    image = keras.Input(X.shape[1:], dtype="float32")
    model = keras.Model(image, make(dtype=dtype, name="it")(image))
    model.save(tmp_path / "it.keras")
    opened = keras.models.load_model(tmp_path / "it.keras")
    assert opened.get_layer("it").get_config() == model.get_layer("it").get_config()
    np.testing.assert_array_equal(np.float32(opened(X)), np.float32(model(X)))
    assert opened.output.dtype == model.output.dtype == dtype.removeprefix("mixed_")
