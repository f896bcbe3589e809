"""What runs have seen stays what they see: resuming them depends on it.

A change to these digests changes every run that is resumed with a newer version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from reszoo.data import ImageFormat
from reszoo.data.pipeline.batches import batches
from reszoo.data.seeded_random import RESIZED_CROP, Draws
from reszoo.spec.augmentation import Augmentation

EIGHT = ImageFormat(8, 8, 1)


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        ({}, "edaac133414bb46e"),
        ({"shift": 1}, "575c44acd6908dc3"),
        ({"flip": True, "crop_padding": 2, "crop_fill": "reflect"}, "77dcaf5a4abe1211"),
        ({"flip": True, "shift": 1, "crop_padding": 2, "cutout": 3}, "44d6474692e7653a"),
    ],
)
def test_batches_are_what_they_were(digits, augmentation, expected, in_memory):
    source = batches(
        digits.split("train"),
        EIGHT,
        batch_size=32,
        seed=7,
        epoch=3,
        start=2,
        augmentation=Augmentation(**augmentation),
        fill=(100,),
        in_memory=in_memory,
    )
    pairs = list(source.as_numpy_iterator())
    assert digest(*(part for pair in pairs for part in pair)) == expected


def test_draws_of_resized_crops_are_what_they_were():
    draws = Draws(7, 3)(np.arange(50), RESIZED_CROP)
    assert digest(draws) == "c93e7d7811344db2"
