"""Two images in one, and labels in proportion: mixup and cutmix.

Partners are neighbours in the whole batch (0 and 1, 2 and 3, ...) and both get the same share of
the other, drawn for the pair (timm's mode "pair"). So a worker that has a part of the batch mixes
what one that has all of it mixes. The pair's draws are those of its first image.

Images stay uint8. Mixup's shares are whole 256ths and cutmix's are counted in pixels, so labels say
exactly what images show. (Keras' MixUp and CutMix draw from one generator for the whole batch and
pair across all of it, which no worker could do with its part alone.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from reszoo.data.seeded_random import MIXUP_CUTMIX, Draws
from reszoo.spec.augmentation import Augmentation

_WHOLE = 256


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """One-hot labels, float32, shape (labels, classes)."""
    return np.eye(classes, dtype=np.float32)[labels]


def mix(
    images: np.ndarray,
    labels: np.ndarray,
    augmentation: Augmentation,
    draws: Draws,
    keys: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Images mixed in pairs and their labels; of an odd number the last stays as it is.

    Args:
      images: uint8, shape (images, height, width, channels).
      labels: float32, shape (images, classes).
      augmentation: alphas of mixup and cutmix, and the share of cutmix.
      draws: of this epoch.
      keys: of the images.
    """
    pairs = len(images) // 2
    paired = images[: 2 * pairs].reshape(pairs, 2, *images.shape[1:])
    drawn = draws(keys[: 2 * pairs : 2], MIXUP_CUTMIX)
    cut = cuts(augmentation, drawn[:, 0])
    mixed, kept = paired.copy(), np.ones(pairs, np.float32)
    mixed[~cut], kept[~cut] = _blended(paired[~cut], shares(augmentation.mixup, drawn[~cut, 1]))
    mixed[cut], kept[cut] = _patched(
        paired[cut], shares(augmentation.cutmix, drawn[cut, 1]), drawn[cut, 2:]
    )
    both = labels[: 2 * pairs].reshape(pairs, 2, labels.shape[1])
    told = kept[:, None, None] * both + (1 - kept)[:, None, None] * both[:, ::-1]
    return (
        np.concatenate([mixed.reshape(-1, *images.shape[1:]), images[2 * pairs :]]),
        np.concatenate([told.reshape(2 * pairs, labels.shape[1]), labels[2 * pairs :]]),
    )


def cuts(augmentation: Augmentation, draws: np.ndarray) -> np.ndarray:
    """Which pairs get cutmix; the others get mixup."""
    if not (augmentation.mixup and augmentation.cutmix):
        return np.full(len(draws), augmentation.cutmix > 0)
    return draws < augmentation.cutmix_share


def shares(alpha: float, draws: np.ndarray) -> np.ndarray:
    """Numbers of the distribution Beta(alpha, alpha), by its quantiles."""
    return betaincinv(alpha, alpha, draws) if len(draws) else draws


def box(
    size: Sequence[int], kept: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The rectangles that cutmix exchanges (Yun 2019): of the image's aspect, around a random
    centre, cut off at the border.

    Args:
      size: height and width.
      kept: the share of the area that each is to leave.
      centres: draws for the centre, down and right.

    Returns:
      top, bottom, left and right, int64.
    """
    edges = []
    for length, draw in zip(size, centres.T, strict=True):
        half = np.floor(length * np.sqrt(1 - kept)).astype(np.int64) // 2
        middle = np.floor(draw * length).astype(np.int64)
        edges += [np.maximum(middle - half, 0), np.minimum(middle + half, length)]
    return edges[0], edges[1], edges[2], edges[3]


def _blended(pairs: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = np.rint(kept * _WHOLE).astype(np.uint16)
    own = weights[:, None, None, None, None]
    # At most 255 * 256 + 128, which 16 bits hold.
    mixed = (pairs * own + pairs[:, ::-1] * (np.uint16(_WHOLE) - own) + np.uint16(128)) >> 8
    return mixed.astype(np.uint8), (weights / _WHOLE).astype(np.float32)


def _patched(
    pairs: np.ndarray, kept: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    height, width = pairs.shape[2:4]
    mixed = pairs.copy()
    edges = box((height, width), kept, centres)
    for place, (top, bottom, left, right) in enumerate(
        zip(*(e.tolist() for e in edges), strict=True)
    ):
        window = np.s_[:, top:bottom, left:right]
        mixed[place][window] = pairs[place, ::-1][window]
    top, bottom, left, right = edges
    exchanged = (bottom - top) * (right - left) / (height * width)
    return mixed, (1 - exchanged).astype(np.float32)
