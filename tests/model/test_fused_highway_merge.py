"""The compiled gated merge equals the stock layers in outputs, gradients and files."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.fused.highway_merge import GatedMerge

SHAPE = (3, 4, 5, 8)


def inputs(dtype: str, seed: int, shape: tuple[int, ...] = SHAPE) -> tf.Tensor:
    """Numbers of both signs, with zeros among them."""
    x = np.random.default_rng(seed).normal(size=shape)
    return tf.cast(tf.constant(np.where(np.abs(x) < 0.3, 0.0, x)), dtype.removeprefix("mixed_"))


def stock(relu: bool, x: tf.Tensor, h: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
    """The merge as the canonical rows write it."""
    layer = keras.layers
    h = layer.Activation("relu", dtype=x.dtype.name)(h) if relu else h
    change = layer.Subtract(dtype=x.dtype.name)([h, x])
    gate = layer.Activation("sigmoid", dtype=x.dtype.name)(t)
    change = layer.Multiply(dtype=x.dtype.name)([change, gate])
    return layer.Add(dtype=x.dtype.name)([x, change])


def step(outputs_of: object, dtype: str) -> list[np.ndarray]:
    """Outputs, and the gradients of x, h and t where each output has a reader of its own."""
    tensors = [inputs(dtype, seed) for seed in range(3)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = outputs_of(*tensors)
        pulls = [inputs(dtype, 10 + index) for index in range(len(outputs))]
        products = [y * pull for y, pull in zip(outputs, pulls, strict=True)]
        loss = tf.add_n([tf.reduce_sum(tf.cast(one, tf.float64)) for one in products])
    found = [*outputs, *tape.gradient(loss, tensors)]
    assert {one.dtype for one in found} == {tensors[0].dtype}
    return [np.float64(one) for one in found]


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("relu", [False, True], ids=["as it is", "relu"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # The stock layers round to bfloat16 (2 ** -8) four times, the compiled merge once.
    [("float32", 1e-6), ("float64", 1e-14), ("mixed_bfloat16", 4e-2), ("mixed_float16", 5e-3)],
)
def test_merge_and_its_gradients_equal_the_stock_layers(
    dtype: str, tolerance: float, relu: bool, copies: int
) -> None:
    fast = GatedMerge(relu, copies, dtype=dtype)

    def merged(*tensors: tf.Tensor) -> list[tf.Tensor]:
        outputs = fast(list(tensors))
        return outputs if copies > 1 else [outputs]

    found = step(merged, dtype)
    expected = step(lambda *tensors: [stock(relu, *tensors)] * copies, dtype)
    assert len(found) == copies + 3
    for value, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, reference, atol=copies * tolerance, rtol=tolerance)


def test_compiled_merge_rounds_once_where_the_stock_layers_round_at_every_step() -> None:
    x, h, t = (inputs("bfloat16", seed) for seed in range(3))
    exact = stock(False, *(tf.cast(one, tf.float64) for one in (x, h, t)))
    found = GatedMerge(dtype="mixed_bfloat16")([x, h, t])
    np.testing.assert_array_equal(np.float32(found), np.float32(tf.cast(exact, tf.bfloat16)))


def test_gates_that_broadcast_merge_all_the_same() -> None:
    x, h, t = inputs("float32", 0), inputs("float32", 1), inputs("float32", 2, (3, 1, 1, 8))
    np.testing.assert_allclose(GatedMerge(True)([x, h, t]), stock(True, x, h, t), atol=1e-6)


def test_batches_of_unknown_size_run_through_a_traced_function() -> None:
    fast = GatedMerge(copies=2)
    traced = tf.function(lambda *maps: fast(list(maps))[1], [tf.TensorSpec([None] * 4)] * 3)
    for batch in (2, 5):
        maps = [inputs("float32", seed, (batch, 3, 3, 2)) for seed in range(3)]
        np.testing.assert_allclose(traced(*maps), stock(False, *maps), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_layer_opens_with_equal_numbers(tmp_path: Path, dtype: str) -> None:
    image = keras.Input(SHAPE[1:])
    first, second = GatedMerge(True, 2, dtype=dtype, name="merge")([image, -image, 2 * image])
    model = keras.Model(image, keras.layers.Subtract(dtype=dtype)([first, second * 3]))
    model.save(tmp_path / "fast.keras")
    opened = keras.models.load_model(tmp_path / "fast.keras")
    layer = opened.get_layer("merge")
    assert (layer.relu, layer.copies) == (True, 2)
    x = inputs("float32", 0)
    np.testing.assert_array_equal(np.float32(opened(x)), np.float32(model(x)))
