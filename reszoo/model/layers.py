"""Keras layers that stock Keras lacks. Importing this module registers them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from reszoo.spec.per_axis import axes

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable("reszoo")
class ConstantPadding2D(keras.layers.Layer):
    """Pads height and width with a constant, such as -infinity before max pooling.

    Args:
      padding: ((top, bottom), (left, right)) rows and columns.
      value: the constant.
    """

    def __init__(self, padding: Any, value: float, **options: Any) -> None:
        super().__init__(**options)
        self.padding = tuple((int(before), int(after)) for before, after in padding)
        # Files hold it as a string ("-inf"): JSON has no infinity.
        self.value = float(value)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns (batch, height, width, channels) with the padding added."""
        sides = [
            None if side is None else side + sum(amounts)
            for side, amounts in zip(input_shape[1:3], self.padding, strict=True)
        ]
        return (input_shape[0], *sides, input_shape[3])

    def call(self, inputs: Any) -> Any:
        """Returns the padded map, (batch, height, width, channels)."""
        amounts = ((0, 0), *self.padding, (0, 0))
        return ops.pad(inputs, amounts, mode="constant", constant_values=self.value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding, "value": str(self.value)}


@keras.saving.register_keras_serializable("reszoo")
class Blur(keras.layers.Layer):
    """Subsamples after a [1, 2, 1] x [1, 2, 1] / 16 filter with reflected borders (Zhang 2019).

    The filter is computed as two 2x2 means in sequence, the second with the stride.

    Args:
      stride: of the output; every `stride`-th pixel is kept. With two numbers, (height, width),
        only axes whose stride is not 1 are filtered, by [1, 2, 1] / 4.
    """

    def __init__(self, stride: int | Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.stride = stride if isinstance(stride, int) else (int(stride[0]), int(stride[1]))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns (batch, ceil(height / stride), ceil(width / stride), channels)."""
        sides = [
            None if side is None else -(-side // stride)
            for side, stride in zip(input_shape[1:3], axes(self.stride), strict=True)
        ]
        return (input_shape[0], *sides, input_shape[3])

    def call(self, inputs: Any) -> Any:
        """Returns the blurred map, (batch, height / stride, width / stride, channels)."""
        strides, always = axes(self.stride), isinstance(self.stride, int)
        border = [1 if always or stride > 1 else 0 for stride in strides]
        size = (border[0] + 1, border[1] + 1)
        x = ops.pad(inputs, ((0, 0), *((side, side) for side in border), (0, 0)), mode="reflect")
        for step in ((1, 1), strides):
            x = ops.average_pool(x, size, strides=step, data_format="channels_last")
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable("reszoo")
class LearnedScale(keras.layers.Layer):
    """Multiplies by learned factors: ReZero and SkipInit (scalar), LayerScale (channel).

    Args:
      granularity: `scalar` for one factor, or `channel` for one per channel (feature).
      initial: initial value of the factors.
    """

    def __init__(self, granularity: str, initial: float, **options: Any) -> None:
        super().__init__(**options)
        if granularity not in ("scalar", "channel"):
            raise ValueError(f"granularity is scalar or channel, not {granularity!r}")
        self.granularity = granularity
        self.initial = float(initial)

    def build(self, input_shape: Shape) -> None:
        self.factor = self.add_weight(
            name="factor",
            shape=() if self.granularity == "scalar" else (input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def call(self, inputs: Any) -> Any:
        """Returns the input times the factors."""
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "granularity": self.granularity, "initial": self.initial}


@keras.saving.register_keras_serializable("reszoo")
class CentredContrast(keras.layers.Layer):
    """Contrast normalisation that int8 can compute: the mean is subtracted first.

    Keras's LayerNormalization scales first and adds the negative mean; TFLite has no int8 negation
    and would compute it in float.

    Args:
      epsilon: added to the variance.
    """

    def __init__(self, epsilon: float, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = float(epsilon)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def call(self, inputs: Any) -> Any:
        """Returns each example with mean 0 and variance 1."""
        axes = tuple(range(1, len(inputs.shape)))
        centred = inputs - ops.mean(inputs, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("reszoo")
class CentredGroupNorm(keras.layers.GroupNormalization):
    """Group normalisation that int8 can compute: the mean is subtracted first.

    Keras's layer scales first and adds the negative mean (see `CentredContrast`). Tensors have at
    most 4 dimensions, as TFLite's means need.
    """

    def call(self, inputs: Any) -> Any:
        """Returns the map, of the shape of `inputs`, normalised in float32."""
        shape = inputs.shape[1:]
        members = shape[-1] // self.groups
        grouped = ops.reshape(inputs, (-1, math.prod(shape[:-1]), self.groups, members))
        grouped = ops.cast(grouped, keras.backend.result_type(inputs.dtype, "float32"))
        centred = grouped - ops.mean(grouped, axis=(1, 3), keepdims=True)
        variance = ops.mean(ops.square(centred), axis=(1, 3), keepdims=True)
        normalised = ops.reshape(centred * ops.rsqrt(variance + self.epsilon), (-1, *shape))
        outputs = normalised * self.gamma + self.beta
        return ops.cast(outputs, self.compute_dtype)
