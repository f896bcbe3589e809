"""Parts of images that are hidden: cutout's squares and the rectangles of random erasing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reszoo.data.augment.geometric import colour
from reszoo.data.seeded_random import ATTEMPTS
from reszoo.spec.augmentation import RandomErasing


def cut_out(images: np.ndarray, side: int, draws: np.ndarray, fill: Sequence[float]) -> None:
    """Fills a square around a random centre of each image, in place; it may hang over the border
    (DeVries 2017).

    Args:
      images: uint8, shape (images, height, width, channels).
      side: of the square, in pixels.
      draws: where the centre is, down and right.
      fill: one value or one per channel.
    """
    height, width, channels = images.shape[1:]
    top = np.floor(draws[:, 0] * height).astype(np.int64) - side // 2
    left = np.floor(draws[:, 1] * width).astype(np.int64) - side // 2
    pixel = colour(fill, channels)
    for image, y, x in zip(images, top.tolist(), left.tolist(), strict=True):
        image[max(y, 0) : y + side, max(x, 0) : x + side] = pixel


def erase(
    images: np.ndarray, erasing: RandomErasing, draws: np.ndarray, fill: Sequence[float]
) -> None:
    """Fills a random rectangle in some of the images, in place (Zhong 2017, as torchvision).

    Args:
      images: uint8, shape (images, height, width, channels).
      erasing: how often, how large and with what.
      draws: the columns `RANDOM_ERASING`.
      fill: the mean pixel.
    """
    chosen = np.flatnonzero(draws[:, 0] < erasing.probability)
    pixel = colour(fill, images.shape[-1])
    boxes = rectangles(images.shape[1:3], erasing, draws[chosen, 1:-1])
    for place, (top, left, height, width) in zip(chosen, boxes.tolist(), strict=True):
        part = images[place, top : top + height, left : left + width]
        part[...] = pixel if erasing.fill == "mean" else _noise(draws[place, -1], part.shape)


def rectangles(size: tuple[int, int], erasing: RandomErasing, draws: np.ndarray) -> np.ndarray:
    """Of ten drawn areas and ratios the first rectangle that fits; an empty one where none does.

    Args:
      size: height and width of the images.
      erasing: the ranges of area and ratio.
      draws: ten areas, ten ratios and where the rectangle lies.

    Returns:
      top, left, height and width of each, int64.
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
    """Values 0..255, all equally likely; the generator's raw bits are the same in every version."""
    count = int(np.prod(shape))
    words = np.random.Philox(key=int(draw * 2**53)).random_raw(-(-count // 8))
    return words.view(np.uint8)[:count].reshape(shape)
