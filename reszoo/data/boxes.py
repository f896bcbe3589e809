"""Which part of a photograph a training sees: boxes known before anything is decoded.

A box is found from an image's size alone (which a JPEG's header tells), so that only that part is
decoded. All of this runs outside Python.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from reszoo.data.draws import ATTEMPTS
from reszoo.data.geometry import Geometry, to_uint8
from reszoo.spec.augmentation import ResizedCrop, ScaleJitter


def random_box(size: tf.Tensor, crop: ResizedCrop, draws: tf.Tensor) -> tf.Tensor:
    """The box of a random resized crop: of ten drawn areas and ratios the first that fits.

    Args:
      size: height and width of the image, int32.
      crop: the ranges of area and ratio.
      draws: the columns `RESIZED_CROP`.

    Returns:
      top, left, height, width, int32. Where no drawn box fits, the largest central one whose
      ratio is allowed (as torchvision's RandomResizedCrop).
    """
    height, width = tf.unstack(tf.cast(size, tf.float32))
    draws = tf.cast(draws, tf.float32)
    low, high = (float(bound) for bound in crop.area)
    areas = height * width * (low + (high - low) * draws[:ATTEMPTS])
    narrow, wide = (float(np.log(bound)) for bound in crop.ratio)
    ratios = tf.exp(narrow + (wide - narrow) * draws[ATTEMPTS : 2 * ATTEMPTS])
    box_widths = tf.maximum(tf.round(tf.sqrt(areas * ratios)), 1.0)
    box_heights = tf.maximum(tf.round(tf.sqrt(areas / ratios)), 1.0)
    fits = (box_widths <= width) & (box_heights <= height)
    first = tf.argmax(tf.cast(fits, tf.int32))
    any_fits = tf.reduce_any(fits)
    allowed = tf.clip_by_value(width / height, float(crop.ratio[0]), float(crop.ratio[1]))
    box_width = tf.where(
        any_fits, box_widths[first], tf.maximum(tf.minimum(width, tf.round(height * allowed)), 1)
    )
    box_height = tf.where(
        any_fits, box_heights[first], tf.maximum(tf.minimum(height, tf.round(width / allowed)), 1)
    )
    where = tf.where(any_fits, draws[2 * ATTEMPTS :], tf.constant([0.5, 0.5]))
    return _placed(height, width, box_height, box_width, where)


def jittered_box(
    size: tf.Tensor, jitter: ScaleJitter, geometry: Geometry, draws: tf.Tensor
) -> tf.Tensor:
    """The box that a crop of the training size is in the image before it is resized.

    Args:
      size: height and width of the image, int32.
      jitter: the range of the shorter side after resizing.
      geometry: the training size.
      draws: the columns `SCALE_JITTER`.

    Returns:
      top, left, height, width, int32; in whole pixels, so the aspect is kept to half a pixel.
    """
    height, width = tf.unstack(tf.cast(size, tf.float32))
    draws = tf.cast(draws, tf.float32)
    low, high = (float(bound) for bound in jitter.shorter_side)
    resized = tf.minimum(tf.floor(low + (high - low + 1) * draws[0]), high)
    scale = tf.minimum(height, width) / resized
    box_height = tf.clip_by_value(tf.round(geometry.height * scale), 1.0, height)
    box_width = tf.clip_by_value(tf.round(geometry.width * scale), 1.0, width)
    return _placed(height, width, box_height, box_width, draws[1:])


def resized(image: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """A part of an image stretched to the geometry's size, uint8.

    Without a filter before subsampling: three times as fast, and a random crop seldom shrinks much.
    """
    resize = (
        tf.raw_ops.ResizeBicubic
        if geometry.interpolation == "bicubic"
        else tf.raw_ops.ResizeBilinear
    )
    size = [geometry.height, geometry.width]
    return to_uint8(resize(images=image[None], size=size, half_pixel_centers=True)[0])


def _placed(
    height: tf.Tensor,
    width: tf.Tensor,
    box_height: tf.Tensor,
    box_width: tf.Tensor,
    where: tf.Tensor,
) -> tf.Tensor:
    top = tf.minimum(tf.floor(where[0] * (height - box_height + 1)), height - box_height)
    left = tf.minimum(tf.floor(where[1] * (width - box_width + 1)), width - box_width)
    return tf.cast(tf.stack([top, left, box_height, box_width]), tf.int32)
