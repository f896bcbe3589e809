"""Where the pixels of a batch come from: padded crops, shifts, flips and small turns.

Moving whole pixels (flip, shift, padded crop) is one gather from computed row and column indices,
which costs a fraction of flipping uint8 images with strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from reszoo.data.seeded_random import CROP_X, CROP_Y, FLIPS, SHIFT_X, SHIFT_Y, Draws
from reszoo.spec.augmentation import Augmentation

_PIXELS_AT_ONCE = 1 << 20  # gathered in one go: the indices stay in the cache


def moves(augmentation: Augmentation) -> bool:
    """Whether `moved` does more than flip."""
    return bool(augmentation.shift or augmentation.crop_padding)


def turns(augmentation: Augmentation) -> bool:
    """Whether `turned` changes anything."""
    return bool(augmentation.rotation or augmentation.translation)


def mirrored(augmentation: Augmentation, draws: Draws, keys: np.ndarray) -> np.ndarray:
    """Which examples are flipped, bool."""
    if not augmentation.flip:
        return np.zeros(len(keys), bool)
    decides = flip_draws(augmentation, draws)
    return (decides(keys, FLIPS)[:, 0] < 0.5) ^ flips_inverted(augmentation, draws)


def flip_draws(augmentation: Augmentation, draws: Draws) -> Draws:
    """The draws that flips follow: of the first epoch where they alternate from there."""
    return replace(draws, epoch=0) if augmentation.flip == "alternating" else draws


def flips_inverted(augmentation: Augmentation, draws: Draws) -> bool:
    """Whether this epoch shows the other side of each image than what `flip_draws` say."""
    return augmentation.flip == "alternating" and draws.epoch % 2 == 1


def moved(
    images: np.ndarray,
    augmentation: Augmentation,
    draws: np.ndarray,
    flips: np.ndarray,
    fill: Sequence[float] = (0.0,),
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Crops, then shifts, then flips.

    Args:
      images: uint8, shape (images, height, width, channels).
      augmentation: what to do.
      draws: the columns `SPATIAL`, one row for each image of the result.
      flips: which images of the result to mirror.
      fill: the pixel for what lies outside an image, one value or one per channel.
      rows: which images to take; all, in order, unless given.

    Returns:
      uint8, shape (draws, height, width, channels), in memory of its own.
    """
    rows = np.arange(len(images)) if rows is None else rows
    height, width = images.shape[1:3]
    at_once = max(1, _PIXELS_AT_ONCE // max(1, height * width))
    result = np.empty((len(rows), *images.shape[1:]), np.uint8)
    for first in range(0, len(rows), at_once):
        part = slice(first, first + at_once)
        result[part] = _gathered(images, rows[part], augmentation, draws[part], flips[part], fill)
    return result


def turned(images: np.ndarray, augmentation: Augmentation, draws: np.ndarray) -> np.ndarray:
    """Rotates about the centre and translates by fractions of pixels, the border repeated outward
    (what Keras' ImageDataGenerator does by default).

    Args:
      images: uint8, shape (images, height, width, 1 or 3).
      augmentation: the largest angle and translation.
      draws: the columns `AFFINE`.
    """
    height, width = images.shape[1:3]
    signed = 2 * draws - 1
    angles = np.deg2rad(augmentation.rotation * signed[:, 0])
    down, right = augmentation.translation * signed[:, 1:].T * np.array([[height], [width]])
    # Pillow knows no repeated border, so there is enough of it around each image.
    reach = (np.hypot(height, width) - min(height, width)) / 2
    margin = int(reach + augmentation.translation * max(height, width)) + 2
    padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    result = np.empty_like(images)
    for place, pixels in enumerate(padded):
        matrix = _turning(angles[place], down[place], right[place], height, width, margin)
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        image = image.transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        result[place] = np.asarray(image).reshape(result[place].shape)
    return result


def _turning(
    angle: float, down: float, right: float, height: int, width: int, margin: int
) -> tuple[float, float, float, float, float, float]:
    """Pillow's matrix from places in the result to places in the padded image."""
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    middle_x, middle_y = width / 2, height / 2
    back_x, back_y = middle_x + right, middle_y + down
    return (
        cosine,
        sine,
        middle_x + margin - cosine * back_x - sine * back_y,
        -sine,
        cosine,
        middle_y + margin + sine * back_x - cosine * back_y,
    )


def _gathered(
    images: np.ndarray,
    rows: np.ndarray,
    augmentation: Augmentation,
    draws: np.ndarray,
    flips: np.ndarray,
    fill: Sequence[float],
) -> np.ndarray:
    count, height, width, channels = images.shape
    y, y_outside = _sources(height, augmentation, draws[:, CROP_Y], draws[:, SHIFT_Y])
    x, x_outside = _sources(width, augmentation, draws[:, CROP_X], draws[:, SHIFT_X])
    if flips.any():
        x = np.where(flips[:, None], x[:, ::-1], x)
        x_outside = np.where(flips[:, None], x_outside[:, ::-1], x_outside)
    pixels = (rows[:, None] * height + y)[:, :, None] * width + x[:, None, :]
    result = images.reshape(count * height * width, channels).take(pixels.ravel(), axis=0)
    result = result.reshape(len(rows), height, width, channels)
    if y_outside.any() or x_outside.any():
        result[y_outside[:, :, None] | x_outside[:, None, :]] = colour(fill, channels)
    return result


def colour(fill: Sequence[float], channels: int) -> np.ndarray:
    """A pixel of one value, or one per channel; uint8."""
    return np.broadcast_to(np.clip(np.rint(fill), 0, 255), (channels,)).astype(np.uint8)


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
