"""Which part of a photograph a training sees: boxes known before anything is decoded.

A box is found from an image's size alone (which a JPEG's header tells), so that only that part is
decoded. All of this runs outside Python.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from reszoo.data.images.resizing import ImageFormat, to_uint8
from reszoo.data.seeded_random import ATTEMPTS
from reszoo.spec.augmentation import RandomResizedCrop, ScaleJitter


def random_resized_crop_candidates(crop: RandomResizedCrop, draws: tf.Tensor) -> tf.Tensor:
    """What `random_resized_crop_box` needs of images that can be found without their sizes, for many at once.

    Args:
      crop: the ranges of area and ratio.
      draws: the columns `RESIZED_CROP`, shape (images, columns).

    Returns:
      ten shares of the area, ten ratios and two numbers that say where, float32.
    """
    draws = tf.cast(draws, tf.float32)
    low, high = (float(bound) for bound in crop.area)
    narrow, wide = (float(np.log(bound)) for bound in crop.ratio)
    shares = low + (high - low) * draws[:, :ATTEMPTS]
    ratios = tf.exp(narrow + (wide - narrow) * draws[:, ATTEMPTS : 2 * ATTEMPTS])
    return tf.concat([shares, ratios, draws[:, 2 * ATTEMPTS :]], axis=1)


def random_resized_crop_box(
    size: tf.Tensor, crop: RandomResizedCrop, shapes: tf.Tensor
) -> tf.Tensor:
    """The box of a random resized crop: of ten drawn areas and ratios the first that fits.

    Args:
      size: height and width of the image, int32.
      crop: the range of ratios.
      shapes: a row of `random_resized_crop_candidates`.

    Returns:
      top, left, height, width, int32. Where no drawn box fits, the largest central one whose
      ratio is allowed (as torchvision's RandomResizedCrop).
    """
    sides = tf.cast(size, tf.float32)
    height, width = tf.unstack(sides)
    areas, ratios = height * width * shapes[:ATTEMPTS], shapes[ATTEMPTS : 2 * ATTEMPTS]
    drawn = tf.maximum(tf.round(tf.sqrt(tf.stack([areas / ratios, areas * ratios], axis=1))), 1.0)
    # Small tensors cost by the operation, so the box that always fits is simply the last choice.
    allowed = tf.clip_by_value(width / height, float(crop.ratio[0]), float(crop.ratio[1]))
    largest = tf.minimum(sides, tf.round(tf.stack([width / allowed, height * allowed])))
    boxes = tf.concat([drawn, tf.maximum(largest, 1.0)[None]], axis=0)
    first = tf.argmax(tf.reduce_all(boxes <= sides, axis=1), output_type=tf.int32)
    where = tf.where(first < ATTEMPTS, shapes[2 * ATTEMPTS :], 0.5)
    return _placed(sides, boxes[first], where)


def scale_jitter_box(
    size: tf.Tensor, jitter: ScaleJitter, image_format: ImageFormat, draws: tf.Tensor
) -> tf.Tensor:
    """The box that a crop of the training size is in the image before it is resized.

    Args:
      size: height and width of the image, int32.
      jitter: the range of the shorter side after resizing.
      image_format: the training size.
      draws: the columns `SCALE_JITTER`.

    Returns:
      top, left, height, width, int32; in whole pixels, so the aspect is kept to half a pixel.
    """
    draws = tf.cast(draws, tf.float32)
    sides = tf.cast(size, tf.float32)
    low, high = (float(bound) for bound in jitter.shorter_side)
    shorter_side = tf.minimum(tf.floor(low + (high - low + 1) * draws[0]), high)
    wanted = tf.constant([image_format.height, image_format.width], tf.float32)
    box = tf.round(wanted * (tf.reduce_min(sides) / shorter_side))
    return _placed(sides, tf.clip_by_value(box, 1.0, sides), draws[1:])


def resized(image: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    """A part of an image stretched to the image format's size, uint8.

    Without a filter before subsampling: three times as fast, and a random crop seldom shrinks much.
    """
    size = [image_format.height, image_format.width]
    if image_format.interpolation == "bicubic":
        stretched = tf.raw_ops.ResizeBicubic(images=image[None], size=size, half_pixel_centers=True)
        return to_uint8(stretched[0])
    # The same arithmetic as for uint8, which TensorFlow has not vectorised: a fifth faster.
    exact = tf.cast(image[None], tf.float32)
    stretched = tf.raw_ops.ResizeBilinear(images=exact, size=size, half_pixel_centers=True)
    # Between two pixels, so within 0..255: a pass over the image is saved.
    return tf.cast(tf.round(stretched[0]), tf.uint8)


def _placed(sides: tf.Tensor, box: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
    corner = tf.minimum(tf.floor(where * (sides - box + 1)), sides - box)
    return tf.cast(tf.concat([corner, box], axis=0), tf.int32)
