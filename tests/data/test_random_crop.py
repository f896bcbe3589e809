from __future__ import annotations

import numpy as np
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.data.augment.random_crop import (
    crop_candidates,
    random_resized_crop_box,
    scale_jitter_box,
)
from reszoo.data.seeded_random import RESIZED_CROP, SCALE_JITTER, Draws
from reszoo.spec.augmentation import RandomResizedCrop, ScaleJitter


def test_random_boxes_keep_to_area_and_ratio():
    crop = RandomResizedCrop(area=(0.25, 0.5), ratio=(0.8, 1.25))
    draws = Draws(0, 0)(np.arange(300), RESIZED_CROP)
    candidates = crop_candidates(crop, draws)
    size = tf.constant([200, 300])
    boxes = np.array([random_resized_crop_box(size, crop, row) for row in candidates])
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
    crop = RandomResizedCrop(area=(0.5, 1.0), ratio=(1.0, 1.0))
    [candidate] = crop_candidates(crop, Draws(0, 0)(np.arange(1), RESIZED_CROP))
    box = random_resized_crop_box(tf.constant([10, 1000]), crop, candidate)
    assert box.numpy().tolist() == [0, 495, 10, 10]


def test_draws_of_almost_one_stay_inside():
    # float32 rounds the largest draws to 1.
    draws = np.full(22, np.nextafter(1.0, 0.0))
    for area in ((0.2, 0.3), (1.0, 1.0)):
        crop = RandomResizedCrop(area=area)
        [candidate] = crop_candidates(crop, draws[None])
        box = random_resized_crop_box(tf.constant([30, 40]), crop, candidate).numpy()
        assert box[0] + box[2] <= 30 and box[1] + box[3] <= 40
    size, image_format = tf.constant([300, 400]), ImageFormat(224, 224, 3)
    box = scale_jitter_box(size, ScaleJitter(), image_format, draws[:3])
    assert box.numpy().tolist() == [300 - 140, 400 - 140, 140, 140]


def test_scale_jitter_cuts_what_the_crop_is_of_the_resized_image():
    # 300 pixels resized to 256..480, of which 224 are cut: 262.5 .. 140 pixels before resizing.
    size, image_format = tf.constant([300, 400]), ImageFormat(224, 224, 3)
    draws = Draws(0, 0)(np.arange(400), SCALE_JITTER)
    boxes = np.array([scale_jitter_box(size, ScaleJitter(), image_format, row) for row in draws])
    top, left, height, width = boxes.T
    np.testing.assert_array_equal(height, width)
    assert height.min() == 140 and height.max() in (262, 263)
    assert (top >= 0).all() and (top + height <= 300).all()
    assert (left >= 0).all() and (left + width <= 400).all()
    # The resized shorter side is drawn evenly: mean 368, standard error 65 / sqrt(400) = 3.2.
    assert abs((224 / height * 300).mean() - 368) < 12
    assert len({tuple(box) for box in boxes.tolist()}) > 390


def test_an_image_smaller_than_the_crop_gives_all_it_has():
    image_format = ImageFormat(64, 64, 3)
    jitter = ScaleJitter(shorter_side=(32, 32))
    box = scale_jitter_box(tf.constant([20, 30]), jitter, image_format, np.zeros(3))
    assert box.numpy().tolist() == [0, 0, 20, 30]
