"""Random crops: boxes that are known before an image is decoded.

A box depends only on an image's size, which the file's header holds, so only that part is decoded.
All of this runs in TensorFlow, outside Python.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from reszoo.data.images.resizing import ImageFormat, to_uint8
from reszoo.data.seeded_random import ATTEMPTS
from reszoo.spec.augmentation import RandomResizedCrop, ScaleJitter


def crop_candidates(crop: RandomResizedCrop, draws: tf.Tensor) -> tf.Tensor:
    """Returns what `random_resized_crop_box` can compute without sizes, for many images at once.

    From the columns `RESIZED_CROP`, of shape (images, columns), these are ten shares of the area,
    ten aspect ratios and two relative positions, float32.
    """
    draws = tf.cast(draws, tf.float32)
    low, high = (float(bound) for bound in crop.area)
    narrow, wide = (float(np.log(bound)) for bound in crop.ratio)
    shares = low + (high - low) * draws[:, :ATTEMPTS]
    ratios = tf.exp(narrow + (wide - narrow) * draws[:, ATTEMPTS : 2 * ATTEMPTS])
    return tf.concat([shares, ratios, draws[:, 2 * ATTEMPTS :]], axis=1)


def random_resized_crop_box(
    size: tf.Tensor, crop: RandomResizedCrop, candidates: tf.Tensor
) -> tf.Tensor:
    """Returns the box (top, left, height, width; int32) of a random resized crop of an image.

    It is the first of ten random ones (a row of `crop_candidates`) that fits, else the largest
    central one of an allowed aspect ratio (as torchvision's RandomResizedCrop).
    """
    sides = tf.cast(size, tf.float32)
    height, width = tf.unstack(sides)
    areas, ratios = height * width * candidates[:ATTEMPTS], candidates[ATTEMPTS : 2 * ATTEMPTS]
    drawn = tf.maximum(tf.round(tf.sqrt(tf.stack([areas / ratios, areas * ratios], axis=1))), 1.0)
    # Small tensors cost per operation, so the fallback is simply the last choice.
    allowed = tf.clip_by_value(width / height, float(crop.ratio[0]), float(crop.ratio[1]))
    largest = tf.minimum(sides, tf.round(tf.stack([width / allowed, height * allowed])))
    boxes = tf.concat([drawn, tf.maximum(largest, 1.0)[None]], axis=0)
    first = tf.argmax(tf.reduce_all(boxes <= sides, axis=1), output_type=tf.int32)
    where = tf.where(first < ATTEMPTS, candidates[2 * ATTEMPTS :], 0.5)
    return _place_box(sides, boxes[first], where)


def scale_jitter_box(
    size: tf.Tensor, jitter: ScaleJitter, image_format: ImageFormat, draws: tf.Tensor
) -> tf.Tensor:
    """Returns the box, in the original image, of a crop of the image resized at a random scale.

    It is top, left, height and width, int32: of whole pixels, so that the aspect ratio is exact to
    half a pixel.
    """
    draws = tf.cast(draws, tf.float32)
    sides = tf.cast(size, tf.float32)
    low, high = (float(bound) for bound in jitter.shorter_side)
    shorter_side = tf.minimum(tf.floor(low + (high - low + 1) * draws[0]), high)
    target = tf.constant([image_format.height, image_format.width], tf.float32)
    box = tf.round(target * (tf.reduce_min(sides) / shorter_side))
    return _place_box(sides, tf.clip_by_value(box, 1.0, sides), draws[1:])


def resize_crop(image: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    """Resizes a crop to the image format's height and width, ignoring its aspect ratio; uint8.

    It does not antialias: this is three times as fast, and random crops seldom shrink much.
    """
    size = [image_format.height, image_format.width]
    if image_format.interpolation == "bicubic":
        stretched = tf.raw_ops.ResizeBicubic(images=image[None], size=size, half_pixel_centers=True)
        return to_uint8(stretched[0])
    # A fifth faster than on uint8, for which TensorFlow has not vectorised the same arithmetic.
    exact = tf.cast(image[None], tf.float32)
    stretched = tf.raw_ops.ResizeBilinear(images=exact, size=size, half_pixel_centers=True)
    # Interpolated values are within 0..255, so clipping, a pass over the image, is not needed.
    return tf.cast(tf.round(stretched[0]), tf.uint8)


def _place_box(sides: tf.Tensor, box: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
    corner = tf.minimum(tf.floor(where * (sides - box + 1)), sides - box)
    return tf.cast(tf.concat([corner, box], axis=0), tf.int32)
