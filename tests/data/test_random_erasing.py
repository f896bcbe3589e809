from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reszoo.data.augment.random_erasing import cutout, erasing_boxes, random_erasing
from reszoo.data.seeded_random import RANDOM_ERASING, Draws, example_keys
from reszoo.spec.augmentation import RandomErasing
from tests.data.conftest import picture

IMAGES = np.stack([picture(seed, 6, 7) for seed in range(5)])


def test_cutout_fills_a_square_that_may_hang_over_the_border():
    result = IMAGES.copy()
    cutout(result, 3, np.full((5, 2), [0.0, 0.5]), (0,))
    # Centre at row 0, column 3: rows -1..1, columns 2..4.
    assert (result[:, :2, 2:5] == 0).all()
    np.testing.assert_array_equal(result[:, 2:], IMAGES[:, 2:])
    np.testing.assert_array_equal(result[:, :, 5:], IMAGES[:, :, 5:])


def test_cutout_equals_a_mask():
    draws = Draws(0, 0)(np.arange(40), slice(5, 7))
    for side in (1, 4, 5, 9):
        result = np.full((40, 6, 7, 1), 9, np.uint8)
        cutout(result, side, draws, (3,))
        y = np.arange(6)[:, None] - (np.floor(draws[:, 0] * 6) - side // 2)[:, None, None]
        x = np.arange(7) - (np.floor(draws[:, 1] * 7) - side // 2)[:, None, None]
        inside = (y >= 0) & (y < side) & (x >= 0) & (x < side)
        np.testing.assert_array_equal(result[..., 0], np.where(inside, 3, 9))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), height=st.integers(1, 40), width=st.integers(1, 40))
def test_boxes_lie_inside(seed, height, width):
    draws = Draws(seed, 0)(np.arange(20), RANDOM_ERASING)[:, 1:-1]
    top, left, high, wide = erasing_boxes((height, width), RandomErasing(area=(0.02, 1.0)), draws).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + high <= height).all() and (left + wide <= width).all()


def test_boxes_have_the_areas_and_ratios_asked_for():
    draws = Draws(3, 0)(np.arange(2000), RANDOM_ERASING)[:, 1:-1]
    top, left, height, width = erasing_boxes((200, 300), RandomErasing(), draws).T
    share = height * width / 60_000
    assert share.min() > 0.018 and share.max() < 0.335
    assert (width / height).min() > 0.28 and (width / height).max() < 3.5
    # Evenly from 0.02 to 0.33: mean 0.175, standard error 0.09 / sqrt(2,000) = 0.002. Wide ones
    # that do not fit are drawn again, which takes a little off.
    assert abs(share.mean() - 0.175) < 0.01
    # Centres are spread evenly.
    assert abs((top + height / 2).mean() / 200 - 0.5) < 0.02
    assert abs((left + width / 2).mean() / 300 - 0.5) < 0.02


def test_erasing_comes_as_often_as_asked_and_fills_with_the_mean():
    images = np.full((1000, 8, 8, 3), 200, np.uint8)
    draws = Draws(0, 0)(np.arange(1000), RANDOM_ERASING)
    random_erasing(images, RandomErasing(probability=0.3), draws, (1, 2, 3))
    changed = (images != 200).any(axis=(1, 2, 3))
    # Standard error: sqrt(0.3 * 0.7 / 1,000) = 0.0145.
    assert abs(changed.mean() - 0.3) < 0.05
    values = {tuple(pixel) for pixel in images.reshape(-1, 3).tolist()}
    assert values == {(200, 200, 200), (1, 2, 3)}


def test_where_nothing_fits_nothing_is_erased():
    images = IMAGES.copy()
    erasing = RandomErasing(probability=1.0, area=(0.9, 1.0), ratio=(3.0, 3.3))
    random_erasing(images, erasing, Draws(0, 0)(np.arange(5), RANDOM_ERASING), (0,))
    np.testing.assert_array_equal(images, IMAGES)


def test_noise_is_drawn_for_each_image_and_repeats():
    erasing = RandomErasing(probability=1.0, area=(1.0, 1.0), ratio=(1.0, 1.0), fill="noise")
    draws = Draws(0, 0)(example_keys(np.arange(4)), RANDOM_ERASING)
    first, again = np.zeros((2, 4, 40, 40, 3), np.uint8)
    random_erasing(first, erasing, draws, (0,))
    random_erasing(again[2:], erasing, draws[2:], (0,))
    np.testing.assert_array_equal(first[2:], again[2:])
    assert not (first[0] == first[1]).all()
    # All 256 values alike: 4,800 of them have a mean of 127.5 with standard error 1.07.
    assert abs(first[0].mean() - 127.5) < 5
    assert len(np.unique(first[0])) == 256
