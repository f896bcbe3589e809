from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import augment
from reszoo.spec.augmentation import Augmentation, ResizedCrop
from tests.data.conftest import picture

IMAGES = np.stack([picture(seed, 6, 7) for seed in range(5)])
STILL = np.full((5, 7), 0.5)
"""Draws that move nothing: no flip, and offsets in the middle of their range."""


def drawn(**columns: float) -> np.ndarray:
    draws = STILL.copy()
    for name, value in columns.items():
        draws[:, getattr(augment, name)] = value
    return draws


def test_draws_are_a_pure_function_of_seed_epoch_and_index():
    indices = np.array([5, 0, 7])
    draws = augment.uniform(3, 2, indices)
    np.testing.assert_array_equal(augment.uniform(3, 2, indices[1:]), draws[1:])
    np.testing.assert_array_equal(augment.uniform(3, 2, indices, slice(2, 4)), draws[:, 2:4])
    for other in (augment.uniform(4, 2, indices), augment.uniform(3, 1, indices)):
        assert not np.isin(other, draws).any()


def test_draws_are_uniform_and_uncorrelated():
    draws = augment.uniform(0, 0, np.arange(20_000))
    assert draws.min() >= 0
    assert draws.max() < 1
    # Standard errors: 0.289 / sqrt(20,000) = 0.002 of a mean, 0.007 of a correlation.
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 0.01
    both = np.concatenate([draws[:-1], draws[1:], augment.uniform(0, 1, np.arange(19_999))], axis=1)
    correlation = np.corrcoef(both, rowvar=False) - np.eye(both.shape[1])
    assert np.abs(correlation).max() < 0.035


def test_any_seed_is_taken():
    for seed in (-1, 2**63, 2**80):
        assert augment.uniform(seed, 0, np.arange(3)).shape == (3, 7)


def test_flip_mirrors_left_and_right():
    result = augment.augment(IMAGES, Augmentation(flip=True), drawn(FLIP=0.4))
    np.testing.assert_array_equal(result, IMAGES[:, :, ::-1])
    np.testing.assert_array_equal(augment.augment(IMAGES, Augmentation(flip=True), STILL), IMAGES)


def test_shift_translates_and_fills():
    # 0.99 of 5 places (-2..2) is the last: each pixel is read two rows further down.
    result = augment.augment(IMAGES, Augmentation(shift=2), drawn(SHIFT_Y=0.99), fill=(9, 8, 7))
    np.testing.assert_array_equal(result[:, :4], IMAGES[:, 2:])
    assert (result[:, 4:] == [9, 8, 7]).all()


@pytest.mark.parametrize(("fill", "mode"), [("reflect", "reflect"), ("zero", "constant")])
def test_padded_crop_equals_padding_and_cropping(fill, mode):
    padded = np.pad(IMAGES, ((0, 0), (3, 3), (3, 3), (0, 0)), mode=mode)
    # 0.0 is the first of 7 places, 0.6 the fifth.
    draws = drawn(CROP_Y=0.0, CROP_X=0.6)
    result = augment.augment(IMAGES, Augmentation(crop_padding=3, crop_fill=fill), draws)
    np.testing.assert_array_equal(result, padded[:, 0:6, 4:11])


def test_padding_may_be_wider_than_the_image():
    padded = np.pad(IMAGES, ((0, 0), (9, 9), (9, 9), (0, 0)), mode="reflect")
    recipe = Augmentation(crop_padding=9, crop_fill="reflect")
    result = augment.augment(IMAGES, recipe, drawn(CROP_Y=0.0, CROP_X=0.99))
    np.testing.assert_array_equal(result, padded[:, 0:6, 18:25])


def test_cutout_fills_a_square_that_may_hang_over_the_border():
    result = augment.augment(IMAGES, Augmentation(cutout=3), drawn(CUTOUT_Y=0.0, CUTOUT_X=0.5))
    # Centre at row 0, column 3: rows -1..1, columns 2..4.
    assert (result[:, :2, 2:5] == 0).all()
    np.testing.assert_array_equal(result[:, 2:], IMAGES[:, 2:])
    np.testing.assert_array_equal(result[:, :, 5:], IMAGES[:, :, 5:])


def test_all_together_is_crop_then_shift_then_flip():
    both = augment.augment(
        IMAGES,
        Augmentation(flip=True, shift=1, crop_padding=2),
        drawn(FLIP=0.0, SHIFT_X=0.99, CROP_Y=0.0),
    )
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    moved = np.pad(padded[:, 0:6, 2:9], ((0, 0), (0, 0), (0, 1), (0, 0)))[:, :, 1:]
    np.testing.assert_array_equal(both, moved[:, :, ::-1])


def test_rows_choose_the_images():
    rows = np.array([4, 4, 1])
    result = augment.augment(IMAGES, Augmentation(flip=True), STILL[:3], rows=rows)
    np.testing.assert_array_equal(result, IMAGES[rows])


def test_large_images_are_moved_in_parts(monkeypatch):
    draws = augment.uniform(1, 1, np.arange(5))
    recipe = Augmentation(flip=True, shift=2, cutout=2)
    whole = augment.augment(IMAGES, recipe, draws)
    monkeypatch.setattr(augment, "_IMAGES_AT_ONCE", 6 * 7 * 2)
    np.testing.assert_array_equal(augment.augment(IMAGES, recipe, draws), whole)


def test_random_boxes_keep_to_area_and_ratio():
    crop = ResizedCrop(area=(0.25, 0.5), ratio=(0.8, 1.25))
    draws = augment.uniform(0, 0, np.arange(300), augment.RESIZED_CROP).astype(np.float32)
    boxes = np.array([augment.random_box(tf.constant([200, 300]), crop, draw) for draw in draws])
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 200).all() and (left + width <= 300).all()
    share = height * width / (200 * 300)
    # Sides are rounded to whole pixels: about 1 % of the smallest.
    assert share.min() > 0.245 and share.max() < 0.51
    assert (width / height).min() > 0.79 and (width / height).max() < 1.27
    assert len({tuple(box) for box in boxes.tolist()}) > 290
    # Over all shares alike: mean 0.375, standard error 0.072 / sqrt(300) = 0.004.
    assert abs(share.mean() - 0.375) < 0.02


def test_where_no_box_fits_the_largest_central_one_is_taken():
    # 10 x 1,000 pixels and a ratio of 1: no area from 0.5 fits, so a square of 10 in the middle.
    crop = ResizedCrop(area=(0.5, 1.0), ratio=(1.0, 1.0))
    draws = augment.uniform(0, 0, np.arange(1), augment.RESIZED_CROP).astype(np.float32)[0]
    assert augment.random_box(tf.constant([10, 1000]), crop, draws).numpy().tolist() == [
        0,
        495,
        10,
        10,
    ]
