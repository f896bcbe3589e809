from __future__ import annotations

import numpy as np

from reszoo.data.open_data import open_data
from reszoo.data.previews.augmentation_sheet import augmentation_sheet
from reszoo.spec.augmentation import Augmentation, RandomResizedCrop
from tests.data.conftest import picture


def cells(sheet):
    """The middle pixels of the squares, by row and column."""
    pixels = np.asarray(sheet)
    rows = range(16 + 48, pixels.shape[0] - 16, 102)
    return [
        [tuple(pixels[y, 16 + 48 + column * 102 + (16 if column else 0)]) for column in range(10)]
        for y in rows
    ]


def test_a_row_shows_an_image_and_what_becomes_of_it():
    # Each image is of one colour: whatever is cropped, the row keeps it.
    colours = np.arange(30, 230, 20, dtype=np.uint8)
    images = np.broadcast_to(colours[:, None, None, None], (10, 20, 20, 3)).copy()
    data = open_data((images, np.arange(10) % 2))
    recipe = Augmentation(flip=True, resized_crop=RandomResizedCrop(), repeats=3)
    [name] = data.splits
    shown = cells(augmentation_sheet(data, name, recipe, images=4))
    assert [len(set(row)) for row in shown] == [1] * 4
    assert [row[0][0] for row in shown] == [30, 90, 150, 210]


def test_what_changes_colours_is_seen():
    data = open_data((np.stack([picture(seed, 20, 20) for seed in range(4)]), np.arange(4)))
    [name] = data.splits
    plain = augmentation_sheet(data, name, Augmentation(), images=4)
    changed = augmentation_sheet(data, name, Augmentation(lighting=1.0), images=4)
    first, rest = (slice(0, 112), slice(124, None))
    before, after = np.asarray(plain), np.asarray(changed)
    np.testing.assert_array_equal(before[:, first], after[:, first])
    assert (before[:, rest] != after[:, rest]).mean() > 0.5
