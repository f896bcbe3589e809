"""Layers of the fake-quantized plan: float layers that round as their int8 operators do.

`tf.quantization.fake_quant_with_min_max_vars` rounds to 256 steps between two limits and passes the
gradient straight through the rounding; the TFLite converter adopts the limits. The gradient of
values beyond a limit goes to that limit, so that ranges are learned (Jacob 2018, section 3, and
Choi 2018, PACT).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from reszoo.model.layers import Shape

_SMALLEST = 1e-6
"""Smallest upper limit of a range: the scale of an empty range would be zero."""
_ROOM = 1 + 2**-20
"""Factor of a kernel's limits. The operator computes its last value as 127 times the scale, which
may come out a rounding below the limit; the largest weight would then be clipped, and not learn."""
_registered = keras.saving.register_keras_serializable("reszoo")


@_registered
class FakeQuantize(keras.layers.Layer):
    """Rounds to 256 values between two limits, as an int8 tensor of the `.tflite` does.

    Args:
      limits: (low, high) of a fixed range. Defaults to learned limits.
    """

    def __init__(self, limits: Sequence[float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.limits = None if limits is None else (float(limits[0]), float(limits[1]))

    def build(self, input_shape: Shape) -> None:
        if self.limits is None:
            self.low, self.high = (
                self.add_weight(name=name, shape=(), initializer=keras.initializers.Constant(value))
                for name, value in (("low", -1.0), ("high", 1.0))
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def call(self, inputs: Any) -> Any:
        """Returns the rounded input, float32."""
        return tf.quantization.fake_quant_with_min_max_vars(inputs, *self._limits())

    def _limits(self) -> tuple[Any, Any]:
        """Returns the limits; 0 is always between them, since padding and ReLU need it exactly."""
        if self.limits is not None:
            return self.limits
        return ops.minimum(self.low, 0.0), ops.maximum(self.high, _SMALLEST)

    def limit_values(self) -> tuple[float, float]:
        """Returns the lower and the upper limit as numbers."""
        low, high = (float(ops.convert_to_numpy(limit)) for limit in self._limits())
        return low, high

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "limits": self.limits}


class _QuantizedKernel(keras.layers.Layer):
    """A convolution whose kernel is rounded to 255 values per output channel."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return super().convolution_op(inputs, fake_quantize_kernel(kernel, per_channel=True))


@_registered
class QuantizedConv2D(_QuantizedKernel, keras.layers.Conv2D):
    """`Conv2D` with an int8 kernel, one scale per output channel."""


@_registered
class QuantizedConv1D(_QuantizedKernel, keras.layers.Conv1D):
    """`Conv1D` with an int8 kernel, one scale per output channel."""


@_registered
class QuantizedDense(keras.layers.Dense):
    """`Dense` with an int8 kernel of a single scale: the converter refuses one per channel here."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the layer's outputs, (batch, units)."""
        outputs = ops.matmul(inputs, fake_quantize_kernel(self.kernel, per_channel=False))
        return outputs if self.bias is None else ops.add(outputs, self.bias)


class _ChannelValues(keras.layers.Layer):
    """One number per channel, constant or learned, rounded like a kernel with a single scale.

    Args:
      values: the constants. Defaults to learned numbers.
    """

    def __init__(self, values: Sequence[float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.values = None if values is None else tuple(float(value) for value in values)

    def build(self, input_shape: Shape) -> None:
        if self.values is None:
            self.numbers = self.add_weight(
                name="numbers", shape=(input_shape[-1],), initializer="zeros"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def channel_values(self) -> Any:
        """Returns the rounded numbers, (channels,)."""
        numbers = self.numbers if self.values is None else np.asarray(self.values, np.float32)
        return fake_quantize_kernel(numbers, per_channel=False)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "values": self.values}


@_registered
class ChannelScale(_ChannelValues):
    """Multiplies each channel by its number."""

    def call(self, inputs: Any) -> Any:
        """Returns the scaled input."""
        return inputs * self.channel_values()


@_registered
class ChannelOffset(_ChannelValues):
    """Adds its number to each channel."""

    def call(self, inputs: Any) -> Any:
        """Returns the shifted input."""
        return inputs + self.channel_values()


def fake_quantize_kernel(kernel: Any, *, per_channel: bool) -> Any:
    """Returns a kernel rounded to 255 values between plus and minus its largest magnitude.

    `kernel` has the output channels last. TFLite requires symmetric weights, -127..127.
    """
    kernel = ops.convert_to_tensor(kernel)
    axes = list(range(len(kernel.shape) - 1)) if per_channel else None
    largest = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=axes), _SMALLEST)
    limit = tf.stop_gradient(_ROOM * largest)
    rounded = (
        tf.quantization.fake_quant_with_min_max_vars_per_channel
        if per_channel
        else tf.quantization.fake_quant_with_min_max_vars
    )
    return rounded(kernel, -limit, limit, num_bits=8, narrow_range=True)
