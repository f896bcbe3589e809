"""A batch that is resized inside a graph has the pixels of each image that is resized alone."""

import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.data.images.batch_resizing import resize_batch
from reszoo.data.images.resizing import resize_to_format

FORMATS = [
    ImageFormat(8, 12, 3),
    ImageFormat(20, 20, 3),
    ImageFormat(33, 17, 3, interpolation="bicubic"),
    ImageFormat(9, 9, 3, antialias=False),
    ImageFormat(14, 14, 3, crop=0.875),
]


@pytest.mark.parametrize("image_format", FORMATS, ids=str)
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_pixels_are_those_of_single_images(image_format, xla):
    images = np.random.default_rng(0).integers(0, 256, (5, 14, 20, 3), dtype=np.uint8)
    resize = tf.function(lambda batch: resize_batch(batch, image_format), jit_compile=xla)
    resized = resize(tf.constant(images)).numpy()
    expected = resize_to_format(images, image_format).astype(np.float32)
    assert resized.shape == expected.shape
    difference = np.abs(resized - expected)
    assert difference.max() <= 1  # a tie of two pixels
    assert np.mean(difference > 0) < 0.01


def test_images_of_the_right_size_are_unchanged():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    resized = resize_batch(tf.constant(images), ImageFormat(8, 8, 1))
    np.testing.assert_array_equal(resized, images.astype(np.float32))
