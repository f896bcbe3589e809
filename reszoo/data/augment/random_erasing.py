"""Cutout and random erasing: squares and rectangles of images are filled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reszoo.data.augment.geometric import fill_pixel
from reszoo.data.seeded_random import ATTEMPTS
from reszoo.spec.augmentation import RandomErasing


def cutout(images: np.ndarray, side: int, draws: np.ndarray, fill: Sequence[float]) -> None:
    """Fills a square around a random centre of each image, in place (DeVries 2017).

    The square may extend beyond the border. `draws`, of shape (images, 2), set the centre, down and
    right; `fill` is one value or one per channel.
    """
    height, width, channels = images.shape[1:]
    top = np.floor(draws[:, 0] * height).astype(np.int64) - side // 2
    left = np.floor(draws[:, 1] * width).astype(np.int64) - side // 2
    pixel = fill_pixel(fill, channels)
    for image, y, x in zip(images, top.tolist(), left.tolist(), strict=True):
        image[max(y, 0) : y + side, max(x, 0) : x + side] = pixel


def random_erasing(
    images: np.ndarray, erasing: RandomErasing, draws: np.ndarray, fill: Sequence[float]
) -> None:
    """Fills a random rectangle in some of the images, in place (Zhong 2017, as torchvision)."""
    erased = np.flatnonzero(draws[:, 0] < erasing.probability)
    pixel = fill_pixel(fill, images.shape[-1])
    boxes = erasing_boxes(images.shape[1:3], erasing, draws[erased, 1:-1])
    for index, (top, left, height, width) in zip(erased, boxes.tolist(), strict=True):
        part = images[index, top : top + height, left : left + width]
        part[...] = pixel if erasing.fill == "mean" else _noise(draws[index, -1], part.shape)


def erasing_boxes(size: tuple[int, int], erasing: RandomErasing, draws: np.ndarray) -> np.ndarray:
    """Returns the first of ten random rectangles that fits, or an empty one.

    `draws` are ten areas, ten ratios and the position, of shape (images, columns); the result is
    top, left, height and width, int64 of shape (images, 4).
    """
    height, width = size
    low, high = erasing.area
    narrow, wide = np.log(erasing.ratio)
    areas = height * width * (low + (high - low) * draws[:, :ATTEMPTS])
    ratios = np.exp(narrow + (wide - narrow) * draws[:, ATTEMPTS : 2 * ATTEMPTS])
    heights, widths = np.rint(np.sqrt(areas / ratios)), np.rint(np.sqrt(areas * ratios))
    fits = (heights <= height) & (widths <= width)
    first = fits.argmax(axis=1)
    sizes = np.stack([heights, widths], axis=-1)[np.arange(len(draws)), first]
    sizes *= fits.any(axis=1, keepdims=True)
    corners = np.floor(draws[:, 2 * ATTEMPTS :] * (np.array(size) - sizes + 1))
    return np.concatenate([corners, sizes], axis=1).astype(np.int64)


def _noise(draw: float, shape: tuple[int, ...]) -> np.ndarray:
    """Returns uniform values 0..255; the generator's raw bits are equal in all NumPy versions."""
    count = int(np.prod(shape))
    words = np.random.Philox(key=int(draw * 2**53)).random_raw(-(-count // 8))
    return words.view(np.uint8)[:count].reshape(shape)
