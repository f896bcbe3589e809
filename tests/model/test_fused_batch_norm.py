"""The fused normalisation equals the stock layer in numbers, gradients, statistics and files."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.fused.batch_norm import FusedBatchNormalization

SHAPE = (4, 5, 6, 8)
OPTIONS = {"epsilon": 1e-5, "momentum": 0.9}


def twins(dtype: str, shape: tuple[int, ...] = SHAPE, **options: object) -> list[keras.Layer]:
    """The stock layer and the fast one with equal weights that are not the starting ones."""
    layers = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(dtype=dtype, name="norm", **{**OPTIONS, **options})
        layer.build((None, *shape[1:]))
        rng = np.random.default_rng(3)
        for weight in layer.weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        layers.append(layer)
    return layers


def inputs(dtype: str, shape: tuple[int, ...] = SHAPE) -> tf.Tensor:
    x = np.random.default_rng(0).normal(1.0, 2.0, shape)
    return tf.cast(tf.constant(x), dtype.removeprefix("mixed_"))


def step(layer: keras.Layer, x: tf.Tensor, training: bool) -> tuple[np.ndarray, list[np.ndarray]]:
    """The output, and the gradients of input, gamma and beta for some loss."""
    pull = tf.cast(np.random.default_rng(1).normal(size=x.shape), x.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(tf.cast(y * pull, "float32"))
    variables = [x, *(weight.value for weight in layer.trainable_weights)]
    gradients = tape.gradient(loss, variables)
    assert y.dtype == x.dtype
    return np.float32(y), [np.float32(gradient) for gradient in gradients]


CASES = [
    # bfloat16 has 8 bits of mantissa: outputs of size 4 differ by up to 2 ** -6
    ("float32", 1e-5),
    ("mixed_bfloat16", 4e-2),
    ("mixed_float16", 5e-3),
]


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize(("dtype", "tolerance"), CASES)
def test_outputs_and_gradients_equal_the_stock_layers(
    dtype: str, tolerance: float, training: bool
) -> None:
    stock, fast = twins(dtype)
    expected, expected_gradients = step(stock, inputs(dtype), training)
    found, gradients = step(fast, inputs(dtype), training)
    np.testing.assert_allclose(found, expected, atol=tolerance, rtol=tolerance)
    assert len(gradients) == 3
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        scale = np.abs(reference).max()
        np.testing.assert_allclose(gradient / scale, reference / scale, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), CASES)
def test_moving_statistics_equal_the_stock_layers(dtype: str, tolerance: float) -> None:
    stock, fast = twins(dtype)
    for _ in range(3):
        for layer in (stock, fast):
            layer(inputs(dtype), training=True)
    for name in ("moving_mean", "moving_variance"):
        expected, found = (np.asarray(getattr(layer, name)) for layer in (stock, fast))
        np.testing.assert_allclose(found, expected, rtol=min(tolerance, 2e-3))
        assert found.dtype == np.float32


LARGE = [
    (4, 20, 16, 64),
    (3, 7, 7, 512),
    (2, 17, 17, 96),  # 289 positions: the divisor nearest to 8 is 1
    (2, 4, 4, 64),  # small: stays whole
]


@pytest.mark.parametrize("relu", [False, True], ids=["norm", "norm and ReLU"])
@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), CASES)
def test_norm_in_pieces_and_its_relu_equal_the_stock_layers(
    dtype: str, tolerance: float, shape: tuple[int, ...], relu: bool
) -> None:
    stock, _ = twins(dtype, shape)
    if relu:
        stock.beta.assign(np.zeros(stock.beta.shape))
        stock.moving_mean.assign(np.zeros(stock.moving_mean.shape))
    fast = FusedBatchNormalization(dtype=dtype, relu=relu, in_pieces=True, **OPTIONS)
    fast.build((None, *shape[1:]))
    fast.set_weights(stock.get_weights())
    after = keras.layers.Activation("relu" if relu else "linear", dtype=dtype)
    # Odd numbers about 0: rounding never decides on which side of it a normalised value is.
    x = tf.constant(np.random.default_rng(0).integers(1, 5, shape) * 2 - 5)
    x = tf.cast(x, fast.compute_dtype)
    for training in (True, False):
        expected, expected_gradients = step(keras.Sequential([stock, after]), x, training)
        found, gradients = step(fast, x, training)
        np.testing.assert_allclose(found, expected, atol=tolerance, rtol=tolerance)
        for gradient, reference in zip(gradients, expected_gradients, strict=True):
            scale = np.abs(reference).max()
            np.testing.assert_allclose(gradient / scale, reference / scale, atol=tolerance)
    np.testing.assert_allclose(fast.moving_variance, stock.moving_variance, rtol=2e-3)


def test_kernel_sees_short_rows_and_the_relu_reads_it_directly() -> None:
    layer = FusedBatchNormalization(dtype="mixed_bfloat16", relu=True, in_pieces=True)
    layer.build((None, 20, 16, 64))
    signature = [tf.TensorSpec((None, 20, 16, 64), tf.bfloat16)]
    graph = tf.function(lambda x: layer(x, training=True), signature).get_concrete_function().graph
    (kernel,) = (op for op in graph.get_operations() if op.type == "FusedBatchNormV3")
    assert kernel.inputs[0].shape.as_list() == [None, 1, 8, 64]
    # Grappler merges them into one kernel only so.
    assert "Relu" in [reader.type for reader in kernel.outputs[0].consumers()]


def test_variance_is_the_batchs_own_and_not_the_samples() -> None:
    # With 3 values a channel the two differ by a third: 2 / 3 against 1.
    _, fast = twins("float32", (3, 1, 1, 2), momentum=0.0)
    fast(tf.constant([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])[:, None, None], training=True)
    np.testing.assert_allclose(fast.moving_variance, 2 / 3, rtol=1e-6)


def test_low_precision_maps_are_never_cast_up() -> None:
    _, fast = twins("mixed_bfloat16")
    function = tf.function(lambda x: fast(x, training=True))
    operations = function.get_concrete_function(inputs("bfloat16")).graph.get_operations()
    kernels = [operation for operation in operations if operation.type == "FusedBatchNormV3"]
    assert [kernel.inputs[0].dtype for kernel in kernels] == [tf.bfloat16]
    casts = [operation for operation in operations if operation.type == "Cast"]
    assert not [cast for cast in casts if cast.inputs[0].shape.rank == 4]


@pytest.mark.parametrize(
    ("dtype", "shape", "options"),
    [
        ("float32", (6, 8), {}),
        ("float64", SHAPE, {}),
        ("float32", SHAPE, {"axis": 1}),
        ("float32", SHAPE, {"renorm": True}),
    ],
    ids=["rank 2", "float64", "channels first", "renorm"],
)
def test_what_the_kernel_cannot_do_is_the_stock_computation(
    dtype: str, shape: tuple[int, ...], options: dict[str, object]
) -> None:
    stock, fast = twins(dtype, shape, **options)
    for training in (True, False):
        expected, found = (
            layer(inputs(dtype, shape), training=training) for layer in (stock, fast)
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("left_out", ["center", "scale"])
def test_layer_without_gamma_or_beta_equals_the_stock_layer(left_out: str) -> None:
    stock, fast = twins("float32", **{left_out: False})
    for training in (True, False):
        expected, found = (layer(inputs("float32"), training=training) for layer in (stock, fast))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_frozen_layer_uses_and_keeps_its_moving_statistics() -> None:
    stock, fast = twins("float32")
    stock.trainable = fast.trainable = False
    before = fast.moving_mean.numpy()
    expected, found = (layer(inputs("float32"), training=True) for layer in (stock, fast))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(fast.moving_mean, before)


def test_batch_of_unknown_size_is_normalised_alike() -> None:
    stock, fast = twins("float32")
    signature = [tf.TensorSpec((None, None, None, 8), tf.float32)]
    for layer in (stock, fast):
        tf.function(lambda x, layer=layer: layer(x, training=True), signature)(inputs("float32"))
    np.testing.assert_allclose(fast.moving_variance, stock.moving_variance, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_layer_opens_with_equal_weights_and_numbers(tmp_path: Path, dtype: str) -> None:
    image = keras.Input(SHAPE[1:], dtype="float32")
    layer = FusedBatchNormalization(dtype=dtype, name="norm", **OPTIONS)
    model = keras.Model(image, layer(image))
    model(inputs("float32"), training=True)
    model.save(tmp_path / "fast.keras")
    opened = keras.models.load_model(tmp_path / "fast.keras")
    assert type(opened.get_layer("norm")) is FusedBatchNormalization
    np.testing.assert_array_equal(
        np.float32(opened(inputs("float32"))), np.float32(model(inputs("float32")))
    )


def test_weights_have_the_stock_layers_names_and_order() -> None:
    stock, fast = twins("float32")
    assert [weight.name for weight in fast.weights] == [weight.name for weight in stock.weights]
