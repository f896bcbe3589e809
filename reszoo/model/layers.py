"""Which layers has reszoo that stock Keras has not? Importing this module registers them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable("reszoo")
class ConstantPadding2D(keras.layers.Layer):
    """Pads height and width with a number that is not zero, such as -infinity before a max-pool.

    Args:
      padding: ((top, bottom), (left, right)) rows and columns.
      value: what the padding holds.
    """

    def __init__(self, padding: Any, value: float, **options: Any) -> None:
        super().__init__(**options)
        self.padding = tuple((int(before), int(after)) for before, after in padding)
        # A string in a saved file ("-inf") becomes a number again: JSON has no infinity.
        self.value = float(value)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, height, width, channels) with the padding added."""
        sides = [
            None if side is None else side + sum(amounts)
            for side, amounts in zip(input_shape[1:3], self.padding, strict=True)
        ]
        return (input_shape[0], *sides, input_shape[3])

    def call(self, inputs: Any) -> Any:
        """The padded map, (batch, height, width, channels)."""
        amounts = ((0, 0), *self.padding, (0, 0))
        return ops.pad(inputs, amounts, mode="constant", constant_values=self.value)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        return {**super().get_config(), "padding": self.padding, "value": str(self.value)}


@keras.saving.register_keras_serializable("reszoo")
class Blur(keras.layers.Layer):
    """Subsamples behind a [1, 2, 1] x [1, 2, 1] / 16 filter with reflected borders (Zhang 2019).

    Two 2x2 means, one after the other, are that filter; the second one strides.

    Args:
      stride: every stride-th pixel stays.
    """

    def __init__(self, stride: int, **options: Any) -> None:
        super().__init__(**options)
        self.stride = int(stride)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, ceil(height / stride), ceil(width / stride), channels)."""
        sides = [None if side is None else -(-side // self.stride) for side in input_shape[1:3]]
        return (input_shape[0], *sides, input_shape[3])

    def call(self, inputs: Any) -> Any:
        """The blurred map, (batch, height / stride, width / stride, channels)."""
        x = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        x = ops.average_pool(x, 2, strides=1, padding="valid", data_format="channels_last")
        return ops.average_pool(
            x, 2, strides=self.stride, padding="valid", data_format="channels_last"
        )

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable("reszoo")
class LearnedScale(keras.layers.Layer):
    """Multiplies by a learned factor: ReZero and SkipInit (scalar), LayerScale (channel).

    Args:
      granularity: `scalar`, one factor, or `channel`, one for each channel (feature).
      initial: where the factors start.
    """

    def __init__(self, granularity: str, initial: float, **options: Any) -> None:
        super().__init__(**options)
        if granularity not in ("scalar", "channel"):
            raise ValueError(f"granularity is scalar or channel, not {granularity!r}")
        self.granularity = granularity
        self.initial = float(initial)

    def build(self, input_shape: Shape) -> None:
        """Makes the factor."""
        self.factor = self.add_weight(
            name="factor",
            shape=() if self.granularity == "scalar" else (input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape

    def call(self, inputs: Any) -> Any:
        """The input times the factor."""
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        return {
            **super().get_config(),
            "granularity": self.granularity,
            "initial": self.initial,
        }


@keras.saving.register_keras_serializable("reszoo")
class CentredContrast(keras.layers.Layer):
    """Contrast normalisation as int8 can compute it: the mean is taken off before all else.

    Keras's LayerNormalization scales first and adds the negative mean; TFLite has no negation of
    int8, and whatever is in the graph for it computes in float.

    Args:
      epsilon: added to the variance.
    """

    def __init__(self, epsilon: float, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = float(epsilon)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape

    def call(self, inputs: Any) -> Any:
        """Each example of mean 0 and variance 1."""
        axes = tuple(range(1, len(inputs.shape)))
        centred = inputs - ops.mean(inputs, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        return {**super().get_config(), "epsilon": self.epsilon}
