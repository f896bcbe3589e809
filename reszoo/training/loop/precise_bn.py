"""What are the statistics of normalisation for the trained weights themselves? The moving averages
lag behind the weights; He 2015 and pycls compute plain averages once these stand still.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reszoo.training.loop.loop import Loop


def recompute_statistics(loop: Loop, batches: tf.data.Dataset) -> None:
    """Gives a loop's model the means of its batches' statistics in place of moving averages.

    Frozen layers keep theirs. The images go through the model as in training, dropout included.

    Args:
      loop: of the model.
      batches: images and targets, as in training.
    """
    layers = [one for one in loop.network.layers if one.trainable and hasattr(one, "moving_mean")]
    before = [layer.momentum for layer in layers]

    def see(images: tf.Tensor, kept: tf.Tensor) -> None:
        for layer in layers:
            layer.momentum = tf.cast(kept, layer.moving_mean.dtype)
        loop.network(images, training=True)

    @tf.function(reduce_retracing=True)
    def see_everywhere(images: Any, kept: tf.Tensor) -> None:
        loop.strategy.run(see, args=(images, kept))

    try:
        for done, (images, _) in enumerate(loop.distributed(batches)):
            # A moving average that keeps (k - 1) / k at the k-th batch is the mean of k batches.
            see_everywhere(images, tf.constant(done / (done + 1)))
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum
    loop.average_statistics()
