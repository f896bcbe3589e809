"""Mixup and cutmix: pairs of images are mixed, and their labels in proportion.

Pairs are neighbours in the global batch (0 and 1, 2 and 3, ...), and both images of one get the
same share of the other (timm's mode "pair"), so that a worker with a part of the batch mixes the
same pairs as one with all of it. The draws of a pair are those of its first image.

Images stay uint8. Mixup's shares are multiples of 1/256 and cutmix's are counted in pixels, so the
labels are exact. (Keras' MixUp and CutMix draw from one generator for the whole batch and pair
across all of it, which a worker cannot do with its part alone.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from reszoo.data.seeded_random import MIXUP_CUTMIX, Draws
from reszoo.spec.augmentation import Augmentation

_SCALE = 256


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Returns one-hot labels, float32, shape (labels, classes)."""
    return np.eye(classes, dtype=np.float32)[labels]


def mixup_or_cutmix(
    images: np.ndarray,
    labels: np.ndarray,
    augmentation: Augmentation,
    draws: Draws,
    keys: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mixes images and their labels in pairs; the last one of an odd number is unchanged.

    Images are uint8 of shape (images, height, width, channels), labels float32 of shape (images,
    classes), as are the results.
    """
    pairs = len(images) // 2
    paired = images[: 2 * pairs].reshape(pairs, 2, *images.shape[1:])
    drawn = draws(keys[: 2 * pairs : 2], MIXUP_CUTMIX)
    cut = cutmix_mask(augmentation, drawn[:, 0])
    mixed, own = paired.copy(), np.ones(pairs, np.float32)
    mixed[~cut], own[~cut] = mixup(paired[~cut], beta_shares(augmentation.mixup, drawn[~cut, 1]))
    mixed[cut], own[cut] = cutmix(
        paired[cut], beta_shares(augmentation.cutmix, drawn[cut, 1]), drawn[cut, 2:]
    )
    both = labels[: 2 * pairs].reshape(pairs, 2, labels.shape[1])
    targets = own[:, None, None] * both + (1 - own)[:, None, None] * both[:, ::-1]
    return (
        np.concatenate([mixed.reshape(-1, *images.shape[1:]), images[2 * pairs :]]),
        np.concatenate([targets.reshape(2 * pairs, labels.shape[1]), labels[2 * pairs :]]),
    )


def cutmix_mask(augmentation: Augmentation, draws: np.ndarray) -> np.ndarray:
    """Returns which pairs get cutmix, bool; the others get mixup."""
    if not (augmentation.mixup and augmentation.cutmix):
        return np.full(len(draws), augmentation.cutmix > 0)
    return draws < augmentation.cutmix_share


def beta_shares(alpha: float, draws: np.ndarray) -> np.ndarray:
    """Returns the quantiles of Beta(alpha, alpha) at uniform random numbers."""
    return betaincinv(alpha, alpha, draws) if len(draws) else draws


def mixup(pairs: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blends the images of pairs, uint8 of shape (pairs, 2, height, width, channels) (Zhang 2018).

    Each image keeps about `shares` of itself; returns the exact shares, float32, with the images.
    """
    weights = np.rint(shares * _SCALE).astype(np.uint16)
    own = weights[:, None, None, None, None]
    # At most 255 * 256 + 128, which fits in 16 bits.
    mixed = (pairs * own + pairs[:, ::-1] * (np.uint16(_SCALE) - own) + np.uint16(128)) >> 8
    return mixed.astype(np.uint8), (weights / _SCALE).astype(np.float32)


def cutmix(
    pairs: np.ndarray, shares: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exchanges a rectangle of the images of pairs around drawn centres (Yun 2019).

    Each image keeps about `shares` of its area; otherwise as `mixup`.
    """
    height, width = pairs.shape[2:4]
    mixed = pairs.copy()
    boxes = cutmix_boxes((height, width), shares, centres)
    for pair, (top, bottom, left, right) in enumerate(boxes.T.tolist()):
        window = np.s_[:, top:bottom, left:right]
        mixed[pair][window] = pairs[pair, ::-1][window]
    top, bottom, left, right = boxes
    exchanged = (bottom - top) * (right - left) / (height * width)
    return mixed, (1 - exchanged).astype(np.float32)


def cutmix_boxes(size: Sequence[int], shares: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Returns the rectangles of cutmix: of the image's aspect ratio, clipped at the border.

    `centres` are draws for the centre, down and right, of shape (pairs, 2). The result is top,
    bottom, left and right, int64 of shape (4, pairs).
    """
    edges = []
    for length, draw in zip(size, centres.T, strict=True):
        half = np.floor(length * np.sqrt(1 - shares)).astype(np.int64) // 2
        middle = np.floor(draw * length).astype(np.int64)
        edges += [np.maximum(middle - half, 0), np.minimum(middle + half, length)]
    return np.stack(edges)
