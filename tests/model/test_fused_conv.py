"""A convolution with matrix products for its gradient equals the stock layer."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.fused.conv import ProductConv2D
from tests.early import computed_before

CASES = {
    "1x1": {"kernel_size": 1},
    "1x1 that narrows": {"kernel_size": 1, "filters": 3},
    "1x1 stride 2": {"kernel_size": 1, "strides": 2, "padding": "same"},
    "3x3": {"kernel_size": 3, "padding": "same"},
    "3x3 with a bias": {"kernel_size": 3, "padding": "same", "use_bias": True},
    "3x3 unpadded": {"kernel_size": 3},
    "3x3 stride 2, unpadded": {"kernel_size": 3, "strides": 2},
    "1x5": {"kernel_size": (1, 5), "padding": "same"},
    "5x3 stride 2, unpadded": {"kernel_size": (5, 3), "strides": 2},
}
STOCK = {
    "a stride per axis": {"kernel_size": 1, "strides": (1, 2)},
    "stride 3": {"kernel_size": 1, "strides": 3},
    "stride 2 that pads": {"kernel_size": 3, "strides": 2, "padding": "same"},
    "dilated": {"kernel_size": 3, "dilation_rate": 2},
    "groups": {"kernel_size": 3, "groups": 2},
}
SHAPE = (4, 8, 10, 6)
# Sums of up to 320 products; bfloat16 has 8 bits of mantissa.
TOLERANCES = {"float32": 1e-5, "mixed_bfloat16": 2e-2, "float64": 1e-12}


def twins(dtype: str, options: dict[str, object]) -> list[keras.layers.Conv2D]:
    """The stock layer and the fast one with equal weights."""
    layers = []
    for kind in (keras.layers.Conv2D, ProductConv2D):
        given = {"filters": 8, "use_bias": False, **options}
        layer = kind(**given, dtype=dtype, name="conv")
        layer.build((None, *SHAPE[1:]))
        rng = np.random.default_rng(3)
        for weight in layer.weights:
            weight.assign(rng.normal(size=weight.shape))
        layers.append(layer)
    return layers


def inputs(dtype: str, shape: tuple[int, ...] = SHAPE) -> tf.Tensor:
    x = np.random.default_rng(0).normal(size=shape)
    return tf.cast(tf.constant(x), dtype.removeprefix("mixed_"))


def step(layer: keras.Layer, x: tf.Tensor) -> list[np.ndarray]:
    """The output, and the gradients of the input and of every weight for some loss."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        pull = tf.constant(np.random.default_rng(1).normal(size=y.shape))
        loss = tf.reduce_sum(tf.cast(y, tf.float64) * pull)
    gradients = tape.gradient(loss, [x, *(weight.value for weight in layer.weights)])
    assert y.dtype == x.dtype
    return [np.float64(tensor) for tensor in (y, *gradients)]


@pytest.mark.quick_rows(5)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_equal_the_stock_layers(case: str, dtype: str) -> None:
    stock, fast = twins(dtype, CASES[case])
    x = inputs(dtype)
    found = step(fast, x)
    np.testing.assert_array_equal(found[0], np.float64(stock(x)))
    # Without oneDNN, the stock layer sums its gradient in bfloat16: the exact one is compared.
    exact, _ = twins("float64", CASES[case])
    for weight, other in zip(exact.weights, stock.weights, strict=True):
        weight.assign(tf.cast(tf.cast(other, x.dtype), tf.float64))
    expected = step(exact, tf.cast(x, tf.float64))
    assert len(found) == len(expected) == 2 + len(stock.weights)
    for gradient, reference in zip(found, expected, strict=True):
        scale = np.abs(reference).max()
        np.testing.assert_allclose(gradient / scale, reference / scale, atol=TOLERANCES[dtype])


@pytest.mark.parametrize("case", CASES)
def test_no_kernel_for_the_weight_gradient_is_left_in_the_graph(case: str) -> None:
    operations = _operations(twins("float32", CASES[case])[1], SHAPE)
    assert "MatMul" in operations
    assert "Conv2DBackpropFilter" not in operations


@pytest.mark.parametrize("case", CASES)
def test_copies_of_the_input_are_made_when_the_gradient_is_there(case: str) -> None:
    layer = twins("float32", CASES[case])[1]
    shape = (4, 16, 20, 6)  # Each of its parts has more numbers than any kernel here.

    @tf.function
    def gradient(x: tf.Tensor, pull: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, [x, layer.kernel.value], output_gradients=pull)

    pull = layer.compute_output_shape(shape)
    specs = [tf.TensorSpec(one, tf.float32) for one in (shape, pull)]
    graph = gradient.get_concrete_function(*specs).graph
    assert computed_before(graph, graph.inputs[1].op, 1000) <= {"Conv2D", "BiasAdd"}


@pytest.mark.parametrize("case", STOCK)
def test_what_products_do_not_cover_is_the_stock_computation(case: str) -> None:
    stock, fast = twins("float32", STOCK[case])
    for expected, found in zip(
        *(step(layer, inputs("float32")) for layer in (stock, fast)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_odd_sizes_with_a_stride_are_the_stock_computation() -> None:
    stock, fast = twins("float32", CASES["3x3 stride 2, unpadded"])
    x = inputs("float32", (2, 9, 7, 6))
    for expected, found in zip(*(step(layer, x) for layer in (stock, fast)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_batch_of_unknown_size_learns_alike() -> None:
    for case in ("1x1 stride 2", "3x3", "3x3 stride 2, unpadded"):
        operations = _operations(twins("float32", CASES[case])[1], (None, *SHAPE[1:]))
        assert "Conv2DBackpropFilter" not in operations


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_layer_opens_with_equal_weights_and_numbers(tmp_path: Path, dtype: str) -> None:
    image = keras.Input(SHAPE[1:])
    layer = ProductConv2D(8, 3, padding="same", dtype=dtype, name="conv")
    model = keras.Model(image, layer(image))
    model.save(tmp_path / "fast.keras")
    opened = keras.models.load_model(tmp_path / "fast.keras")
    assert type(opened.get_layer("conv")) is ProductConv2D
    x = inputs("float32")
    np.testing.assert_array_equal(np.float32(opened(x)), np.float32(model(x)))


def _operations(layer: keras.Layer, shape: tuple[int | None, ...]) -> set[str]:
    @tf.function
    def gradient(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, [x, layer.kernel.value])

    graph = gradient.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    return {operation.type for operation in graph.get_operations()}
