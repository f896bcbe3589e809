"""Precise batch-norm statistics: plain averages for the final weights.

Moving averages lag behind the weights; He 2015 and pycls compute the averages once training ends.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reszoo.training.loop.loop import Loop


def compute_precise_bn_stats(loop: Loop, batches: tf.data.Dataset) -> None:
    """Replaces the moving averages of a loop's model by the means over batches.

    Frozen layers keep theirs. The images go through the model as in training, dropout included.
    """
    layers = [
        layer for layer in loop.network.layers if layer.trainable and hasattr(layer, "moving_mean")
    ]
    momenta = [layer.momentum for layer in layers]

    def update(images: tf.Tensor, momentum: tf.Tensor) -> None:
        for layer in layers:
            layer.momentum = tf.cast(momentum, layer.moving_mean.dtype)
        loop.network(images, training=True)

    @tf.function(autograph=False, reduce_retracing=True)
    def update_replicas(images: Any, momentum: tf.Tensor) -> None:
        loop.strategy.run(update, args=(images, momentum))

    try:
        for done, (images, _) in enumerate(loop.distributed(batches)):
            # A moving average with momentum (k - 1) / k at the k-th batch is the mean of k batches.
            update_replicas(images, tf.constant(done / (done + 1)))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    loop.average_statistics()
