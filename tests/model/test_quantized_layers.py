"""Layers that round as int8 does, against an implementation of the same in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.quantized_layers import (
    ChannelScale,
    FakeQuantize,
    QuantizedConv2D,
    fake_quantize_kernel,
)

RANGES = [(-1.3, 2.1), (0.0, 3.0), (-2.0, -0.5), (0.5, 4.0), (-1.0, 127 / 128)]


def grid(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point (0..255) of a range that has to hold 0 exactly."""
    low, high = min(low, 0.0), max(high, 1e-6)
    scale = (high - low) / 255
    return scale, round(-low / scale)


def rounded(x: np.ndarray, low: float, high: float) -> np.ndarray:
    scale, zero = grid(low, high)
    steps = np.floor(np.clip(x / scale + zero, 0, 255) + 0.5)
    return (steps - zero) * scale


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_values_and_gradients_equal_those_of_numpy(low: float, high: float) -> None:
    random = np.random.default_rng(0)
    x = random.normal(0, 2, (40, 50)).astype(np.float32)
    upstream = random.normal(0, 1, x.shape).astype(np.float32)
    layer = FakeQuantize()
    layer.build(x.shape)
    layer.set_weights([np.float32(low), np.float32(high)])
    with tf.GradientTape() as tape:
        inputs = tf.Variable(x)
        total = tf.reduce_sum(layer(inputs) * upstream)
    dx, dlow, dhigh = tape.gradient(total, [inputs, layer.low.value, layer.high.value])
    np.testing.assert_allclose(layer(x), rounded(x, low, high), atol=2e-6)
    scale, zero = grid(low, high)
    below, above = x < -zero * scale, x > (255 - zero) * scale
    np.testing.assert_array_equal(dx, np.where(below | above, 0, upstream))
    # A limit on the wrong side of 0 is not in use, and learns nothing.
    np.testing.assert_allclose(dlow or 0, upstream[below].sum() if low <= 0 else 0, rtol=1e-4)
    np.testing.assert_allclose(dhigh or 0, upstream[above].sum() if high > 0 else 0, rtol=1e-4)


def test_fixed_ranges_have_no_weights_and_keep_pixels() -> None:
    layer = FakeQuantize((0, 255))
    pixels = np.arange(-3, 260, dtype=np.float32)
    np.testing.assert_array_equal(layer(pixels), np.clip(pixels, 0, 255))
    assert layer.weights == []
    assert layer.limit_values() == (0.0, 255.0)


def test_a_range_of_nothing_keeps_a_scale() -> None:
    layer = FakeQuantize()
    layer.build(())
    layer.set_weights([np.float32(0), np.float32(0)])
    low, high = layer.limit_values()
    assert low == 0
    assert high == pytest.approx(1e-6)


@pytest.mark.parametrize("per_channel", [True, False])
def test_kernels_have_255_symmetric_values(per_channel: bool) -> None:
    kernel = np.random.default_rng(1).normal(0, 1, (3, 3, 8, 5)).astype(np.float32)
    kernel *= np.array([1, 10, 0.1, 5, 2], np.float32)
    axes = (0, 1, 2) if per_channel else None
    scale = np.abs(kernel).max(axis=axes) / 127
    steps = np.asarray(fake_quantize_kernel(kernel, per_channel=per_channel)) / scale
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert np.abs(steps).max() == pytest.approx(127)
    assert np.abs(steps - kernel / scale).max() <= 0.501


@pytest.mark.parametrize(
    ("layer", "stock"),
    [
        (QuantizedConv2D(4, 3, padding="same"), keras.layers.Conv2D(4, 3, padding="same")),
        (QuantizedConv2D(4, 3, groups=2), keras.layers.Conv2D(4, 3, groups=2)),
    ],
)
def test_a_convolution_is_the_stock_one_with_a_rounded_kernel(layer, stock) -> None:
    x = np.random.default_rng(2).normal(0, 1, (2, 6, 6, 4)).astype(np.float32)
    layer(x), stock(x)
    bias = np.arange(4.0)
    stock.set_weights([fake_quantize_kernel(layer.kernel, per_channel=True), bias])
    layer.bias.assign(bias)
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_every_weight_learns_through_its_rounding(per_channel: bool, compiled: bool) -> None:
    # Of 2,000 largest weights, some are above the last value of the grid as float32 computes it.
    kernel = np.random.default_rng(4).normal(0, 1, (3, 2000)).astype(np.float32)

    def gradient(kernel: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            total = tf.reduce_sum(fake_quantize_kernel(kernel, per_channel=per_channel))
        return tape.gradient(total, kernel)

    computed = tf.function(gradient, jit_compile=compiled)(kernel)
    np.testing.assert_array_equal(computed, np.ones_like(kernel))


def test_layers_come_back_from_their_config() -> None:
    for layer in (FakeQuantize(), FakeQuantize((0, 255)), ChannelScale([1, 2]), ChannelScale()):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_xla_compiles_the_rounding_and_its_gradients() -> None:
    layer, limits = QuantizedConv2D(4, 3), FakeQuantize()
    x = np.random.default_rng(3).normal(0, 1, (2, 6, 6, 4)).astype(np.float32)
    limits(layer(x))
    weights = [*layer.trainable_variables, *limits.trainable_variables]

    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(limits(layer(x)) ** 2)
        return tape.gradient(total, [weight.value for weight in weights])

    compiled = tf.function(gradients, jit_compile=True)()
    for one, two in zip(gradients(), compiled, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)
