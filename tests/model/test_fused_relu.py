"""Compiled ReLUs equal the stock ones bit for bit in outputs, gradients and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.fused.relu import AddReLU, FusedReLU

DTYPES = ["float32", "mixed_bfloat16", "mixed_float16"]
SHAPE = (3, 4, 5, 8)


def inputs(dtype: str, seed: int, shape: tuple[int, ...] = SHAPE) -> tf.Tensor:
    """Numbers of both signs, with zeros among them."""
    x = np.random.default_rng(seed).normal(size=shape)
    return tf.cast(tf.constant(np.where(np.abs(x) < 0.3, 0.0, x)), dtype.removeprefix("mixed_"))


def step(
    function: Callable[..., list[tf.Tensor]], tensors: list[tf.Tensor]
) -> list[tuple[str, np.ndarray]]:
    """Outputs and gradients, where each output is read by something of its own."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = function(*tensors)
        pulls = [inputs("float32", 10 + index, y.shape) for index, y in enumerate(outputs)]
        read = zip(outputs, pulls, strict=True)
        loss = tf.add_n([tf.reduce_sum(tf.cast(y, tf.float32) * pull) for y, pull in read])
    found = [*outputs, *tape.gradient(loss, tensors)]
    return [(tensor.dtype.name, np.float32(tensor)) for tensor in found]


def assert_equal(
    found: list[tuple[str, np.ndarray]], expected: list[tuple[str, np.ndarray]]
) -> None:
    assert len(found) == len(expected)
    for (dtype, value), (reference, other) in zip(found, expected, strict=True):
        assert dtype == reference
        np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_and_its_gradient_equal_the_stock_layers(dtype: str) -> None:
    fast, stock = FusedReLU(dtype=dtype), keras.layers.Activation("relu", dtype=dtype)
    x = [inputs(dtype, 0)]
    assert_equal(step(lambda x: [fast(x)], x), step(lambda x: [stock(x)], x))


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_addition_with_relu_equals_the_two_stock_layers(dtype: str, copies: int) -> None:
    fast = AddReLU(copies, dtype=dtype)
    add, relu = keras.layers.Add(dtype=dtype), keras.layers.Activation("relu", dtype=dtype)
    tensors = [inputs(dtype, 0), inputs(dtype, 1)]

    def compiled(a: tf.Tensor, b: tf.Tensor) -> list[tf.Tensor]:
        outputs = fast([a, b])
        return outputs if copies > 1 else [outputs]

    found = step(compiled, tensors)
    expected = step(lambda a, b: [relu(add([a, b]))] * copies, tensors)
    if copies < 3:
        # Of three gradients in low precision the order of the sum shows.
        assert_equal(found, expected)
    for (_, value), (_, reference) in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, reference, atol=5e-2, rtol=2e-2)


@pytest.mark.parametrize("layer", [FusedReLU(), AddReLU(2)], ids=["relu", "add_relu"])
def test_symbolic_shapes_are_those_of_the_inputs(layer: keras.Layer) -> None:
    a, b = keras.Input(SHAPE[1:]), keras.Input(SHAPE[1:])
    outputs = layer([a, b] if isinstance(layer, AddReLU) else a)
    several = outputs if isinstance(outputs, list) else [outputs]
    assert {tuple(output.shape) for output in several} == {(None, *SHAPE[1:])}
    assert len(several) == getattr(layer, "copies", 1)


def test_shapes_and_batches_of_unknown_size_run_through_a_traced_function() -> None:
    fast = AddReLU(2)
    traced = tf.function(lambda a, b: fast([a, b])[0], [tf.TensorSpec([None] * 4)] * 2)
    for batch in (2, 5):
        a, b = (inputs("float32", seed, (batch, 3, 3, 2)) for seed in (0, 1))
        np.testing.assert_array_equal(traced(a, b), tf.nn.relu(a + b))


def test_maps_that_broadcast_are_added_all_the_same() -> None:
    fast = AddReLU()
    a, b = inputs("float32", 0), inputs("float32", 1, (3, 1, 1, 8))
    np.testing.assert_array_equal(fast([a, b]), tf.nn.relu(a + b))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_layers_open_with_equal_numbers(tmp_path: Path, dtype: str) -> None:
    image = keras.Input(SHAPE[1:])
    first, second = AddReLU(2, dtype=dtype, name="sum")([image, FusedReLU(dtype=dtype)(image)])
    model = keras.Model(image, keras.layers.Subtract(dtype=dtype)([first, second * 3]))
    model.save(tmp_path / "fast.keras")
    opened = keras.models.load_model(tmp_path / "fast.keras")
    assert opened.get_layer("sum").copies == 2
    assert {type(layer) for layer in opened.layers} >= {AddReLU, FusedReLU}
    x = inputs("float32", 0)
    np.testing.assert_array_equal(np.float32(opened(x)), np.float32(model(x)))
