"""Batch normalisation, also with ReLU, on TensorFlow's fused kernel."""

from __future__ import annotations

from typing import Any

import keras

from reszoo.model.fused.relu import relu
from reszoo.model.fused.xla import ON_TENSORFLOW

if ON_TENSORFLOW:
    import tensorflow as tf

    _KERNEL_TYPES = (tf.float32, tf.bfloat16, tf.float16)

_CACHE_BYTES = 1 << 15
"""Larger images are split; the first-level cache of current processors holds 32 to 48 kB."""
_PIECE = 8
"""Positions of a piece, about; measured on maps of 56x56x256 to 7x7x2048."""


@keras.saving.register_keras_serializable("reszoo")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` on TensorFlow's fused kernel.

    The stock layer computes moments and scaling op by op and casts the whole feature map up to
    float32, which costs more than half of a ResNet-50 training step in bfloat16. The kernel reads
    and writes the map once, in its own dtype, with float32 parameters and statistics.

    The kernel serves rank-4 inputs, channels last, in float32, bfloat16 and float16. Everything
    else (other ranks and backends, float64, masks, renorm, synchronized statistics) is computed by
    the stock layer.

    Args:
      relu: apply ReLU to the result, inside the kernel.
      in_pieces: let the kernel see a map of large images as one of many small ones, which fit the
        first-level cache: oneDNN's forward pass is up to twice as fast on them.
    """

    def __init__(self, *, relu: bool = False, in_pieces: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.relu = relu
        self.in_pieces = in_pieces

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the normalised input, with `relu` max(x, 0) of it, in its shape and dtype."""
        if not self._supports_kernel(inputs, mask):
            output = super().call(inputs, training=training, mask=mask)
            return keras.ops.relu(output) if self.relu else output
        is_training = bool(training and self.trainable)
        output, mean, variance = self._kernel(inputs, is_training)
        if is_training:
            variance *= _population_factor(inputs)
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(_float32(moving) * self.momentum + batch * (1.0 - self.momentum))
        return output

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "relu": self.relu, "in_pieces": self.in_pieces}

    def _supports_kernel(self, inputs: Any, mask: Any) -> bool:
        return (
            ON_TENSORFLOW
            and mask is None
            and not (self.renorm or self.synchronized)
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and inputs.dtype in _KERNEL_TYPES
        )

    def _kernel(self, inputs: Any, is_training: bool) -> Any:
        # The raw op, because tf.nn.fused_batch_norm raises every epsilon to at least 1.001e-5.
        channels = inputs.shape[3]
        empty = tf.zeros([0], tf.float32)
        pieces = _split_images(inputs) if self.in_pieces else inputs
        result = tf.raw_ops.FusedBatchNormV3(
            x=pieces,
            scale=_float32(self.gamma) if self.scale else tf.ones([channels]),
            offset=_float32(self.beta) if self.center else tf.zeros([channels]),
            mean=empty if is_training else _float32(self.moving_mean),
            variance=empty if is_training else _float32(self.moving_variance),
            epsilon=self.epsilon,
            is_training=is_training,
        )
        # Before the shape is restored: grappler merges a ReLU only with a norm that it reads.
        output = relu(result.y) if self.relu else result.y
        if pieces is not inputs:
            output = tf.ensure_shape(tf.reshape(output, tf.shape(inputs)), inputs.shape)
        return output, result.batch_mean, result.batch_variance


def _split_images(inputs: Any) -> Any:
    """Returns large images as more images of one short row each; statistics are the same."""
    _, height, width, channels = inputs.shape
    if None in (height, width) or height * width * channels * inputs.dtype.size <= _CACHE_BYTES:
        return inputs
    lengths = range(1, 2 * _PIECE)  # No longer one is nearer than 1, which always divides.
    fitting = [length for length in lengths if height * width % length == 0]
    piece = min(fitting, key=lambda length: abs(length - _PIECE))
    return tf.reshape(inputs, [-1, 1, piece, channels])


def _float32(variable: Any) -> Any:
    # `.value`, because an implicit conversion inside an autocast scope may lower the precision.
    return tf.cast(variable.value, tf.float32)


def _population_factor(inputs: Any) -> Any:
    """Returns (n - 1) / n, from the kernel's sample variance to the population's, as Keras has."""
    values = tf.cast(tf.size(inputs, out_type=tf.int64) // inputs.shape[3], tf.float32)
    return (values - 1.0) / values
