"""Empty batches, on which some operations of oneDNN fail."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

Network = Callable[[tf.Tensor], tf.Tensor]
"""A function from images `(batch, height, width, channels)` to logits `(batch, classes)`."""


def allow_empty_batches(network: Network) -> Network:
    """Returns a function that computes the same, and also takes an empty batch.

    oneDNN fails on it in convolutions, fused ReLUs and products with a factor per channel. A black
    image stands in, and its logits are dropped.
    """

    def call(images: tf.Tensor) -> tf.Tensor:
        count = tf.shape(images)[0]
        missing = tf.cast(tf.equal(count, 0), tf.int32)
        padded = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])
        return network(tf.ensure_shape(padded, images.shape))[:count]

    return call
