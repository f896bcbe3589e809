"""Resizing of a batch of images inside a graph, on any device.

Images of one size are resized by two products with constant matrices. TensorFlow's
ScaleAndTranslate, which resizes everywhere else, has no kernel for GPUs and is refused by XLA.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from reszoo.data.images.image_format import ImageFormat
from reszoo.data.images.numpy_resizing import Span, axis_spans


def resize_batch(images: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    """Returns what `resize_to_format` does for a batch, as whole float32 numbers 0..255.

    Images have values 0..255 and the shape (batch, height, width, channels), all but the batch
    known, with the channels of the format. A value that lies between two pixels may be rounded the
    other way, as the products add in another order.
    """
    images = tf.cast(images, tf.float32)
    height, width = images.shape[1:3]
    if (height, width) == image_format.shape[:2] and image_format.crop == 1:
        return images
    rows, columns = axis_spans((height, width), image_format)
    resized = tf.einsum("ph,bhwc->bpwc", _matrix(rows, height), images)
    resized = tf.einsum("qw,bpwc->bpqc", _matrix(columns, width), resized)
    return tf.clip_by_value(tf.round(resized), 0.0, 255.0)


def _matrix(spans: Sequence[Span], size: int) -> np.ndarray:
    """Returns the weights of `size` source pixels for each output pixel, (outputs, size)."""
    matrix = np.zeros((len(spans), size), np.float32)
    for output, (first, weights) in enumerate(spans):
        matrix[output, first : first + len(weights)] = weights
    return matrix
