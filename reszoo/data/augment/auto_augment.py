"""RandAugment and TrivialAugment: the operations of an image and their strengths."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from reszoo.data.seeded_random import AUTO_AUGMENT, AUTO_AUGMENT_DRAWS
from reszoo.spec.augmentation import RandAugment

Step = tuple[str, float]
"""The name of an operation and its strength, in the operation's own unit."""

RANDAUGMENT = (
    "autocontrast",
    "equalize",
    "invert",
    "rotate",
    "posterize",
    "solarize",
    "solarize_add",
    "colour",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
"""The operations of timm's RandAugment (`_RAND_TRANSFORMS` in timm/data/auto_augment.py)."""

TRIVIAL_AUGMENT = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "colour",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
"""The operations of TrivialAugmentWide (torchvision/transforms/autoaugment.py)."""

_FACTORS = frozenset({"colour", "contrast", "brightness", "sharpness"})
_MAX_MAGNITUDE = 10.0
_TRIVIAL_AUGMENT_BINS = 31


def auto_augment_columns(layers: int) -> slice:
    """Returns the columns of the draws of `layers` operations."""
    return slice(AUTO_AUGMENT, AUTO_AUGMENT + AUTO_AUGMENT_DRAWS * layers)


def randaugment_steps(policy: RandAugment, draws: np.ndarray, size: tuple[int, int]) -> list[Step]:
    """Returns the operations of RandAugment on one image of `size` (height and width)."""
    steps = []
    for choice, skip, direction, strength in draws.reshape(-1, AUTO_AUGMENT_DRAWS):
        if skip >= policy.probability:
            continue
        level = policy.magnitude + policy.deviation * float(ndtri(max(strength, 2.0**-54)))
        share = min(max(level, 0.0), _MAX_MAGNITUDE) / _MAX_MAGNITUDE
        name = RANDAUGMENT[int(choice * len(RANDAUGMENT))]
        sign = -1.0 if direction < 0.5 else 1.0
        steps.append((name, _randaugment_strength(name, share, sign, policy.increasing, size)))
    return steps


def trivial_augment_steps(draws: np.ndarray) -> list[Step]:
    """Returns the operation of TrivialAugmentWide on one image, at one of 31 strengths."""
    choice, _, direction, strength = draws
    name = TRIVIAL_AUGMENT[int(choice * len(TRIVIAL_AUGMENT))]
    share = int(strength * _TRIVIAL_AUGMENT_BINS) / (_TRIVIAL_AUGMENT_BINS - 1)
    sign = -1.0 if direction < 0.5 else 1.0
    return [(name, _trivial_augment_strength(name, share, sign))]


def _randaugment_strength(
    name: str, share: float, sign: float, increasing: bool, size: tuple[int, int]
) -> float:
    """Converts a share of the maximum to an operation's own unit (timm's level functions)."""
    if name in _FACTORS:
        return max(0.1, 1 + sign * 0.9 * share) if increasing else 0.1 + 1.8 * share
    if name == "posterize":
        bits = int(4 * share)
        return 4 - bits if increasing else bits
    if name == "solarize":
        threshold = min(256, int(256 * share))
        return 256 - threshold if increasing else threshold
    if name == "solarize_add":
        return min(128, int(110 * share))
    maximum = {"rotate": 30.0, "shear_x": 0.3, "shear_y": 0.3}
    maximum |= {"translate_x": 0.45 * size[1], "translate_y": 0.45 * size[0]}
    return sign * maximum.get(name, 0.0) * share


def _trivial_augment_strength(name: str, share: float, sign: float) -> float:
    """Converts a share of TrivialAugmentWide's maximum to an operation's own unit."""
    if name in _FACTORS:
        return 1 + sign * 0.99 * share
    if name == "posterize":
        return 8 - round(6 * share)
    if name == "solarize":
        return 255 * (1 - share)
    maximum = {"rotate": 135.0, "shear_x": 0.99, "shear_y": 0.99}
    maximum |= {"translate_x": 32.0, "translate_y": 32.0}
    return sign * maximum.get(name, 0.0) * share
