from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import seeded_random
from reszoo.data.augment import geometric
from reszoo.data.seeded_random import Draws, example_keys
from reszoo.spec.augmentation import Augmentation
from tests.data.conftest import picture

IMAGES = np.stack([picture(seed, 6, 7) for seed in range(5)])
STILL = np.full((5, 7), 0.5)
"""Draws that move nothing: no flip, and offsets in the middle of their range."""


def drawn(**columns: float) -> np.ndarray:
    draws = STILL.copy()
    for name, value in columns.items():
        draws[:, getattr(seeded_random, name)] = value
    return draws


def crop_shift_flip(augmentation, draws, fill=(0,), rows=None):
    flips = (draws[:, seeded_random.FLIP] < 0.5) & (augmentation.flip is not False)
    return geometric.crop_shift_flip(IMAGES, augmentation, draws, flips, fill, rows)


def test_flip_mirrors_left_and_right():
    result = crop_shift_flip(Augmentation(flip=True), drawn(FLIP=0.4))
    np.testing.assert_array_equal(result, IMAGES[:, :, ::-1])
    np.testing.assert_array_equal(crop_shift_flip(Augmentation(flip=True), STILL), IMAGES)


def test_shift_translates_and_fills():
    # 0.99 of 5 places (-2..2) is the last: each pixel is read two rows further down.
    result = crop_shift_flip(Augmentation(shift=2), drawn(SHIFT_Y=0.99), fill=(9, 8, 7))
    np.testing.assert_array_equal(result[:, :4], IMAGES[:, 2:])
    assert (result[:, 4:] == [9, 8, 7]).all()


@pytest.mark.parametrize(("fill", "mode"), [("reflect", "reflect"), ("zero", "constant")])
def test_padded_crop_equals_padding_and_cropping(fill, mode):
    padded = np.pad(IMAGES, ((0, 0), (3, 3), (3, 3), (0, 0)), mode=mode)
    # 0.0 is the first of 7 places, 0.6 the fifth.
    draws = drawn(CROP_Y=0.0, CROP_X=0.6)
    result = crop_shift_flip(Augmentation(crop_padding=3, crop_fill=fill), draws)
    np.testing.assert_array_equal(result, padded[:, 0:6, 4:11])


@pytest.mark.parametrize("recipe", [Augmentation(shift=2), Augmentation(crop_padding=2)])
def test_a_signal_moves_along_its_length_alone(recipe):
    draws = drawn(SHIFT_Y=0.99, SHIFT_X=0.99, CROP_Y=0.99, CROP_X=0.99)
    flips = np.zeros(5, bool)
    signals = IMAGES[:, :1]
    moved = geometric.crop_shift_flip(signals, recipe, draws, flips, (9, 8, 7))
    np.testing.assert_array_equal(moved[:, :, :5], signals[:, :, 2:])
    assert (moved[:, :, 5:] == [9, 8, 7]).all()
    upright = signals.swapaxes(1, 2)
    again = geometric.crop_shift_flip(upright, recipe, draws, flips, (9, 8, 7))
    np.testing.assert_array_equal(again, moved.swapaxes(1, 2))


def test_padding_may_be_wider_than_the_image():
    padded = np.pad(IMAGES, ((0, 0), (9, 9), (9, 9), (0, 0)), mode="reflect")
    recipe = Augmentation(crop_padding=9, crop_fill="reflect")
    result = crop_shift_flip(recipe, drawn(CROP_Y=0.0, CROP_X=0.99))
    np.testing.assert_array_equal(result, padded[:, 0:6, 18:25])


def test_all_together_is_crop_then_shift_then_flip():
    both = crop_shift_flip(
        Augmentation(flip=True, shift=1, crop_padding=2),
        drawn(FLIP=0.0, SHIFT_X=0.99, CROP_Y=0.0),
    )
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    shifted = np.pad(padded[:, 0:6, 2:9], ((0, 0), (0, 0), (0, 1), (0, 0)))[:, :, 1:]
    np.testing.assert_array_equal(both, shifted[:, :, ::-1])


def test_rows_choose_the_images():
    rows = np.array([4, 4, 1])
    result = crop_shift_flip(Augmentation(flip=True), STILL[:3], rows=rows)
    np.testing.assert_array_equal(result, IMAGES[rows])


def test_large_images_are_moved_in_parts(monkeypatch):
    draws = Draws(1, 1)(np.arange(5))
    recipe = Augmentation(flip=True, shift=2)
    whole = crop_shift_flip(recipe, draws)
    monkeypatch.setattr(geometric, "_PIXELS_PER_GATHER", 6 * 7 * 2)
    np.testing.assert_array_equal(crop_shift_flip(recipe, draws), whole)


def test_random_flips_come_half_of_the_time_and_anew_every_epoch():
    keys = np.arange(2000)
    first, second = (
        geometric.flip_mask(Augmentation(flip=True), Draws(0, epoch), keys) for epoch in (0, 1)
    )
    # Standard error of a share of 2,000: 0.011.
    assert abs(first.mean() - 0.5) < 0.05
    assert abs((first == second).mean() - 0.5) < 0.05


def test_alternating_flips_are_random_once_and_then_mirrored_every_other_epoch():
    recipe, keys = Augmentation(flip="alternating"), np.arange(200)
    epochs = [geometric.flip_mask(recipe, Draws(5, epoch), keys) for epoch in range(4)]
    # The first epoch is what random flips are in it.
    np.testing.assert_array_equal(
        epochs[0], geometric.flip_mask(Augmentation(flip=True), Draws(5, 0), keys)
    )
    np.testing.assert_array_equal(epochs[1], ~epochs[0])
    np.testing.assert_array_equal(epochs[2], epochs[0])
    np.testing.assert_array_equal(epochs[3], epochs[1])


def test_rotations_equal_tensorflows_projective_transform():
    images = np.stack([picture(seed, 24, 31) for seed in range(6)])
    recipe = Augmentation(rotation=15, translation=0.1)
    draws = Draws(1, 0)(example_keys(np.arange(6)), seeded_random.AFFINE)
    result = geometric.rotate_translate(images, recipe, draws)
    angles = np.deg2rad(15 * (2 * draws[:, 0] - 1))
    down, right = 0.1 * 24 * (2 * draws[:, 1] - 1), 0.1 * 31 * (2 * draws[:, 2] - 1)
    cosine, sine = np.cos(angles), np.sin(angles)
    # TensorFlow's places are the pixels' centres; those of the image lie at 15 and 11.5.
    x, y = 15 + right, 11.5 + down
    matrices = np.stack(
        [cosine, sine, 15 - cosine * x - sine * y, -sine, cosine, 11.5 + sine * x - cosine * y]
        + [np.zeros(6)] * 2,
        axis=1,
    )
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=images.astype(np.float32),
        transforms=matrices.astype(np.float32),
        output_shape=[24, 31],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    ).numpy()
    assert np.abs(result - expected).max() <= 1.5
    assert np.abs(result.astype(int) - images).mean() > 5


@pytest.mark.parametrize("angle", [180, 90, 45])
def test_a_rotation_never_leaves_the_repeated_border(angle):
    # A white image stays white however far it is turned and moved.
    white = np.full((3, 5, 9, 1), 255, np.uint8)
    recipe = Augmentation(rotation=angle, translation=0.9)
    for value in (0.0, 0.3, 1 - 2**-53):
        draws = np.full((3, 3), value)
        assert (geometric.rotate_translate(white, recipe, draws) == 255).all()


def test_no_rotation_changes_nothing():
    recipe = Augmentation(rotation=30, translation=0.2)
    np.testing.assert_array_equal(
        geometric.rotate_translate(IMAGES, recipe, np.full((5, 3), 0.5)), IMAGES
    )
