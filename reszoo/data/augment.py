"""What training does to an image before the network sees it: each draw a pure function of
(seed, epoch, index).

The draws come from a counter-based generator, so the image at an index looks the same whether
its batch is the first after a resume or the thousandth, in memory or streamed. Moving pixels
(flip, shift, padded crop) is one gather from computed row and column indices, which costs a
fraction of flipping uint8 images with strides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from reszoo.data.geometry import Geometry, to_uint8
from reszoo.spec.augmentation import Augmentation, ResizedCrop

# The columns of an example's draws. Each draw has its place for good, so that turning one
# augmentation on does not change what the others do.
FLIP, SHIFT_Y, SHIFT_X, CROP_Y, CROP_X, CUTOUT_Y, CUTOUT_X = range(7)
_RESIZED_CROP = 7
_ATTEMPTS = 10
RESIZED_CROP = slice(_RESIZED_CROP, _RESIZED_CROP + 2 * _ATTEMPTS + 2)
"""Ten areas, ten ratios, and where the box lies."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_IMAGES_AT_ONCE = 1 << 20  # pixels gathered in one go: the indices stay in the cache


def uniform(seed: int, epoch: int, indices: np.ndarray, columns: slice = slice(0, 7)) -> np.ndarray:
    """Random numbers in [0, 1) for examples, by hashing (seed, epoch, index, column).

    Returns:
      float64, shape (examples, columns): a row for each of `indices`.
    """
    state = _mixed(np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64))
    state = _mixed(state + np.array([epoch], np.uint64) * _GOLDEN)
    state = _mixed(state + np.asarray(indices).astype(np.uint64) * _GOLDEN)[:, None]
    column = np.arange(columns.start, columns.stop, dtype=np.uint64) + np.uint64(1)
    return (_mixed(state + column * _GOLDEN) >> np.uint64(11)) * 2.0**-53


def moves(augmentation: Augmentation | None) -> bool:
    """Whether `augment` changes anything (a resized crop happens before, while decoding)."""
    if augmentation is None:
        return False
    return bool(
        augmentation.flip or augmentation.shift or augmentation.crop_padding or augmentation.cutout
    )


def augment(
    images: np.ndarray,
    augmentation: Augmentation,
    draws: np.ndarray,
    fill: Sequence[float] = (0.0,),
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Flips, shifts, crops and cuts out, in that order of reading: crop, then shift, then flip.

    Args:
      images: uint8, shape (images, height, width, channels).
      augmentation: what to do; its resized crop is not done here.
      draws: from `uniform`, one row for each image of the result.
      fill: the pixel for what lies outside an image, one value or one per channel.
      rows: which images to take; all, in order, unless given.

    Returns:
      uint8, shape (draws, height, width, channels), in memory of its own.
    """
    rows = np.arange(len(images)) if rows is None else rows
    height, width = images.shape[1:3]
    at_once = max(1, _IMAGES_AT_ONCE // max(1, height * width))
    result = np.empty((len(rows), *images.shape[1:]), np.uint8)
    for first in range(0, len(rows), at_once):
        part = slice(first, first + at_once)
        result[part] = _moved(images, rows[part], augmentation, draws[part], fill)
    return result


def random_box(size: tf.Tensor, crop: ResizedCrop, draws: tf.Tensor) -> tf.Tensor:
    """The box of a random resized crop: of ten drawn areas and ratios the first that fits.

    Args:
      size: height and width of the image, int32.
      crop: the ranges of area and ratio.
      draws: the columns `RESIZED_CROP` of `uniform`, float32.

    Returns:
      top, left, height, width, int32. Where no drawn box fits, the largest central one whose
      ratio is allowed (as torchvision's RandomResizedCrop).
    """
    height, width = tf.unstack(tf.cast(size, tf.float32))
    low, high = (float(bound) for bound in crop.area)
    areas = height * width * (low + (high - low) * draws[:_ATTEMPTS])
    narrow, wide = (float(np.log(bound)) for bound in crop.ratio)
    ratios = tf.exp(narrow + (wide - narrow) * draws[_ATTEMPTS : 2 * _ATTEMPTS])
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
    where = tf.where(any_fits, draws[2 * _ATTEMPTS :], tf.constant([0.5, 0.5]))
    top = tf.floor(where[0] * (height - box_height + 1))
    left = tf.floor(where[1] * (width - box_width + 1))
    return tf.cast(tf.stack([top, left, box_height, box_width]), tf.int32)


def resized(image: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """A cropped image stretched to the geometry's size, uint8.

    Without a filter before subsampling: three times as fast, and a random crop seldom shrinks much.
    """
    resize = (
        tf.raw_ops.ResizeBicubic
        if geometry.interpolation == "bicubic"
        else tf.raw_ops.ResizeBilinear
    )
    size = [geometry.height, geometry.width]
    return to_uint8(resize(images=image[None], size=size, half_pixel_centers=True)[0])


def _mixed(state: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of the state reaches every bit of the result."""
    state = state + _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _moved(
    images: np.ndarray,
    rows: np.ndarray,
    augmentation: Augmentation,
    draws: np.ndarray,
    fill: Sequence[float],
) -> np.ndarray:
    count, height, width, channels = images.shape
    y, y_outside = _sources(height, augmentation, draws[:, CROP_Y], draws[:, SHIFT_Y])
    x, x_outside = _sources(width, augmentation, draws[:, CROP_X], draws[:, SHIFT_X])
    if augmentation.flip:
        flipped = (draws[:, FLIP] < 0.5)[:, None]
        x = np.where(flipped, x[:, ::-1], x)
        x_outside = np.where(flipped, x_outside[:, ::-1], x_outside)
    pixels = (rows[:, None] * height + y)[:, :, None] * width + x[:, None, :]
    result = images.reshape(count * height * width, channels).take(pixels.ravel(), axis=0)
    result = result.reshape(len(rows), height, width, channels)
    colour = np.broadcast_to(np.clip(np.rint(fill), 0, 255), (channels,)).astype(np.uint8)
    if y_outside.any() or x_outside.any():
        result[y_outside[:, :, None] | x_outside[:, None, :]] = colour
    if augmentation.cutout:
        cut_y = _near(height, augmentation.cutout, draws[:, CUTOUT_Y])
        cut_x = _near(width, augmentation.cutout, draws[:, CUTOUT_X])
        result[cut_y[:, :, None] & cut_x[:, None, :]] = colour
    return result


def _sources(
    size: int, augmentation: Augmentation, crop: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each place along one axis the place it is read from, and whether that lies outside."""
    place = np.arange(size) + _offsets(augmentation.crop_padding, crop)[:, None]
    if augmentation.crop_fill == "reflect":
        place = _reflected(place, size)
    place = place + _offsets(augmentation.shift, shift)[:, None]
    outside = (place < 0) | (place >= size)
    return np.where(outside, 0, place), outside


def _offsets(limit: int, draws: np.ndarray) -> np.ndarray:
    """Whole numbers from -limit to limit, all equally likely."""
    return np.floor(draws * (2 * limit + 1)).astype(np.int64) - limit


def _reflected(place: np.ndarray, size: int) -> np.ndarray:
    """Places outside mirrored at the border pixels, as `numpy.pad(mode="reflect")`."""
    if size == 1:
        return np.zeros_like(place)
    place = np.abs(place) % (2 * (size - 1))
    return np.where(place >= size, 2 * (size - 1) - place, place)


def _near(size: int, side: int, draws: np.ndarray) -> np.ndarray:
    """Which places a square of `side` around a random centre covers (DeVries 2017)."""
    start = np.floor(draws * size).astype(np.int64)[:, None] - side // 2
    place = np.arange(size)
    return (place >= start) & (place < start + side)
