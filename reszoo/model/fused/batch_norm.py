"""Batch normalisation on TensorFlow's fused kernel."""

from __future__ import annotations

from typing import Any

import keras

_ON_TENSORFLOW = keras.config.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

    _KERNEL_TYPES = (tf.float32, tf.bfloat16, tf.float16)


@keras.saving.register_keras_serializable("reszoo")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` on TensorFlow's fused kernel.

    The stock layer computes moments and scaling op by op and casts the whole feature map up to
    float32, which costs more than half of a ResNet-50 training step in bfloat16. The kernel reads
    and writes the map once, in its own dtype, with float32 parameters and statistics.

    The kernel serves rank-4 inputs, channels last, in float32, bfloat16 and float16. Everything
    else (other ranks and backends, float64, masks, renorm, synchronized statistics) is computed by
    the stock layer.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the normalised input, in its shape and dtype."""
        if not self._supports_kernel(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        is_training = bool(training and self.trainable)
        output, mean, variance = self._kernel(inputs, is_training)
        if is_training:
            variance *= _population_factor(inputs)
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(_float32(moving) * self.momentum + batch * (1.0 - self.momentum))
        return output

    def _supports_kernel(self, inputs: Any, mask: Any) -> bool:
        return (
            _ON_TENSORFLOW
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
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=_float32(self.gamma) if self.scale else tf.ones([channels]),
            offset=_float32(self.beta) if self.center else tf.zeros([channels]),
            mean=empty if is_training else _float32(self.moving_mean),
            variance=empty if is_training else _float32(self.moving_variance),
            epsilon=self.epsilon,
            is_training=is_training,
        )
        return result.y, result.batch_mean, result.batch_variance


def _float32(variable: Any) -> Any:
    # `.value`, because an implicit conversion inside an autocast scope may lower the precision.
    return tf.cast(variable.value, tf.float32)


def _population_factor(inputs: Any) -> Any:
    """Returns (n - 1) / n, from the kernel's sample variance to the population's, as Keras has."""
    values = tf.cast(tf.size(inputs, out_type=tf.int64) // inputs.shape[3], tf.float32)
    return (values - 1.0) / values
