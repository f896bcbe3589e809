"""Geometric augmentation: padded crops, shifts, flips, rotations and translations.

Flips, shifts and padded crops are one gather from computed row and column indices, which costs a
fraction of flipping uint8 images with strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from reszoo.data.seeded_random import CROP_X, CROP_Y, FLIP_COLUMN, SHIFT_X, SHIFT_Y, Draws
from reszoo.spec.augmentation import Augmentation

_PIXELS_PER_GATHER = 1 << 20  # so that the indices stay in the CPU's cache


def crops_or_shifts(augmentation: Augmentation) -> bool:
    """Returns whether `crop_shift_flip` does more than flip."""
    return bool(augmentation.shift or augmentation.crop_padding)


def rotates_or_translates(augmentation: Augmentation) -> bool:
    """Returns whether `rotate_translate` changes anything."""
    return bool(augmentation.rotation or augmentation.translation)


def flip_mask(augmentation: Augmentation, draws: Draws, keys: np.ndarray) -> np.ndarray:
    """Returns which examples are flipped, bool."""
    if not augmentation.flip:
        return np.zeros(len(keys), bool)
    flips = flip_draws(augmentation, draws)(keys, FLIP_COLUMN)[:, 0] < 0.5
    return flips ^ flips_inverted(augmentation, draws)


def flip_draws(augmentation: Augmentation, draws: Draws) -> Draws:
    """Returns the draws that decide flips: of the first epoch, if they alternate from there."""
    return replace(draws, epoch=0) if augmentation.flip == "alternating" else draws


def flips_inverted(augmentation: Augmentation, draws: Draws) -> bool:
    """Returns whether this epoch flips the images that `flip_draws` does not."""
    return augmentation.flip == "alternating" and draws.epoch % 2 == 1


def crop_shift_flip(
    images: np.ndarray,
    augmentation: Augmentation,
    draws: np.ndarray,
    flips: np.ndarray,
    fill: Sequence[float] = (0.0,),
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Crops padded images, then shifts, then flips those at `rows`, by default all.

    `images` and the result, in its own memory, are uint8 of shape (images, height, width,
    channels). `draws` (the columns `SPATIAL`) and `flips` (bool) have a row per image of the
    result; `fill` is the pixel outside an image: one value or one per channel.
    """
    rows = np.arange(len(images)) if rows is None else rows
    height, width = images.shape[1:3]
    group = max(1, _PIXELS_PER_GATHER // max(1, height * width))
    result = np.empty((len(rows), *images.shape[1:]), np.uint8)
    for first in range(0, len(rows), group):
        part = slice(first, first + group)
        result[part] = _gather(images, rows[part], augmentation, draws[part], flips[part], fill)
    return result


def rotate_translate(
    images: np.ndarray, augmentation: Augmentation, draws: np.ndarray
) -> np.ndarray:
    """Rotates about the centre and translates by fractions of pixels, repeating the border.

    Keras' ImageDataGenerator does the same by default. `images` are uint8 of shape (images, height,
    width, 1 or 3), `draws` the columns `AFFINE`.
    """
    height, width = images.shape[1:3]
    signed = 2 * draws - 1
    angles = np.deg2rad(augmentation.rotation * signed[:, 0])
    down, right = augmentation.translation * signed[:, 1:].T * np.array([[height], [width]])
    # Pillow cannot repeat the border, so the images are padded by as much as may be reached.
    reach = (np.hypot(height, width) - min(height, width)) / 2
    margin = int(reach + augmentation.translation * max(height, width)) + 2
    padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    result = np.empty_like(images)
    for index, pixels in enumerate(padded):
        matrix = _affine_matrix(angles[index], down[index], right[index], height, width, margin)
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        image = image.transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        result[index] = np.asarray(image).reshape(result[index].shape)
    return result


def _affine_matrix(
    angle: float, down: float, right: float, height: int, width: int, margin: int
) -> tuple[float, float, float, float, float, float]:
    """Returns Pillow's matrix from positions in the result to those in the padded image."""
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


def _gather(
    images: np.ndarray,
    rows: np.ndarray,
    augmentation: Augmentation,
    draws: np.ndarray,
    flips: np.ndarray,
    fill: Sequence[float],
) -> np.ndarray:
    count, height, width, channels = images.shape
    y, y_outside = _source_indices(height, augmentation, draws[:, CROP_Y], draws[:, SHIFT_Y])
    x, x_outside = _source_indices(width, augmentation, draws[:, CROP_X], draws[:, SHIFT_X])
    if flips.any():
        x = np.where(flips[:, None], x[:, ::-1], x)
        x_outside = np.where(flips[:, None], x_outside[:, ::-1], x_outside)
    pixels = (rows[:, None] * height + y)[:, :, None] * width + x[:, None, :]
    result = images.reshape(count * height * width, channels).take(pixels.ravel(), axis=0)
    result = result.reshape(len(rows), height, width, channels)
    if y_outside.any() or x_outside.any():
        result[y_outside[:, :, None] | x_outside[:, None, :]] = fill_pixel(fill, channels)
    return result


def fill_pixel(fill: Sequence[float], channels: int) -> np.ndarray:
    """Returns a pixel, uint8 of shape (channels,), from one value or one per channel."""
    return np.broadcast_to(np.clip(np.rint(fill), 0, 255), (channels,)).astype(np.uint8)


def _source_indices(
    size: int, augmentation: Augmentation, crop: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the source of each index along one axis, and whether it is outside the image.

    Along an axis of one pixel nothing moves: a signal would be lost.
    """
    if size == 1:
        stays = np.zeros((len(crop), 1), np.int64)
        return stays, stays.astype(bool)
    index = np.arange(size) + _random_offsets(augmentation.crop_padding, crop)[:, None]
    if augmentation.crop_fill == "reflect":
        index = _reflect(index, size)
    index = index + _random_offsets(augmentation.shift, shift)[:, None]
    outside = (index < 0) | (index >= size)
    return np.where(outside, 0, index), outside


def _random_offsets(limit: int, draws: np.ndarray) -> np.ndarray:
    """Returns integers from -limit to limit, all equally likely."""
    return np.floor(draws * (2 * limit + 1)).astype(np.int64) - limit


def _reflect(index: np.ndarray, size: int) -> np.ndarray:
    """Reflects indices outside at the border pixels, as `numpy.pad(mode="reflect")` does."""
    index = np.abs(index) % (2 * (size - 1))
    return np.where(index >= size, 2 * (size - 1) - index, index)
