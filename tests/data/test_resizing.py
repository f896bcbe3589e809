from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reszoo.data import ImageFormat
from reszoo.data.images.decoding import read_image
from reszoo.data.images.numpy_resizing import resize_in_numpy
from reszoo.data.images.resizing import (
    evaluation_format,
    resize_image,
    resize_images,
    resize_to_format,
    training_format,
)
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.errors import UserError
from reszoo.spec.image_input import Input
from tests.data.conftest import picture


def test_the_right_size_is_not_touched():
    image = picture(1, 32, 32)
    np.testing.assert_array_equal(resize_to_format(image, ImageFormat(32, 32, 3)), image)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(64, 64), (96, 60), (10, 14)])
def test_resizing_is_pillows_within_rounding(interpolation, size):
    # Squares of 24: the scarcer side becomes 24, the other is cropped at its centre.
    height, width = size
    # Pillow rounds and clips after each of its two passes: values that cannot overshoot 0..255.
    image = picture(2, height, width) // 2 + 64
    scale = max(24 / height, 24 / width)
    wide, high = int(width * scale + 1e-9), int(height * scale + 1e-9)
    method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    resized = np.asarray(Image.fromarray(image).resize((wide, high), method[interpolation]))
    top, left = round((high - 24) / 2), round((wide - 24) / 2)
    expected = resized[top : top + 24, left : left + 24].astype(int)
    result = resize_to_format(image, ImageFormat(24, 24, 3, interpolation=interpolation))
    assert np.abs(result - expected).max() <= 1


@settings(max_examples=200)
@given(st.data())
def test_numpy_resizes_to_the_same_pixels(data):
    side, share = st.integers(1, 120), st.sampled_from([0.0, 0.5, 1.0])
    image_format = ImageFormat(
        data.draw(side),
        data.draw(side),
        data.draw(st.sampled_from([1, 3])),
        data.draw(st.sampled_from([1.0, 0.875, 0.5])),
        data.draw(st.sampled_from(["bilinear", "bicubic"])),
        data.draw(st.booleans()),
        (data.draw(share), data.draw(share)),
    )
    channels = data.draw(st.sampled_from([1, 3]))
    image = picture(6, data.draw(st.integers(1, 400)), data.draw(side), channels=channels)
    if data.draw(st.booleans()):  # halves between two values, and hard edges
        image = image // 128 * 255
    np.testing.assert_array_equal(
        resize_in_numpy(image, image_format), resize_to_format(image, image_format)
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_many_images_have_the_pixels_of_each_alone(channels, crop):
    image_format = ImageFormat(20, 24, channels, crop)
    sides = [(20, 24), (31, 24), (9, 50)]
    images = [picture(i, *sides[i % 3], channels=(1, 3)[i % 2]) for i in range(100)]
    images[7] = images[7].astype(np.float32) * 0.97
    alone = [resize_to_format(image, image_format) for image in images]
    np.testing.assert_array_equal(resize_images(images, image_format), alone)
    same = np.stack([picture(i, 30, 30) for i in range(60)])
    alone = [resize_to_format(image, image_format) for image in same]
    np.testing.assert_array_equal(resize_to_format(same, image_format), alone)
    assert resize_images([], image_format).shape == (0, 20, 24, channels)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_files_of_every_kind_have_the_pixels_of_training(tmp_path):
    colours = Image.fromarray(picture(7, 61, 83))
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = np.arange(61 * 83, dtype=np.uint16).reshape(61, 83) * 12
    files = {
        "a.jpg": saved(colours, "JPEG"),
        "b.jpg": saved(colours, "JPEG", exif=turned, subsampling=0),
        "c.jpg": saved(colours.convert("CMYK"), "JPEG"),
        "d.jpg": saved(colours.convert("L"), "JPEG", progressive=True),
        "e.png": saved(colours, "PNG"),
        "f.png": saved(Image.fromarray(deep), "PNG"),
        "g.png": saved(colours.convert("RGBA"), "PNG"),
        "h.webp": saved(colours, "WEBP"),
        "i.gif": saved(colours.convert("P"), "GIF"),
    }
    for split in ("train", "test"):
        for label in ("one", "two"):
            (tmp_path / split / label).mkdir(parents=True)
            for name, content in files.items():
                (tmp_path / split / label / name).write_bytes(content)
    data = open_data(f"folder:{tmp_path}")
    for channels in (1, 3):
        image_format = ImageFormat(32, 40, channels, crop=0.875)
        pipeline = batches(data.split("test"), image_format, batch_size=2 * len(files))
        by_training = np.asarray(next(iter(pipeline))[0])
        by_prediction = [
            resize_in_numpy(read_image(tmp_path / "test" / "one" / name), image_format)
            for name in files
        ]
        # Both classes hold the same files, and a data set stores them in an order of its own.
        assert sorted(image.tobytes() for image in by_training) == sorted(
            image.tobytes() for image in 2 * by_prediction
        )


def test_crop_keeps_the_centre():
    # Resized to 32 / 0.5 = 64, of which the middle 32 stays: an untouched 64x64 image's centre.
    image = picture(3, 64, 64)
    result = resize_to_format(image, ImageFormat(32, 32, 3, crop=0.5))
    np.testing.assert_array_equal(result, image[16:48, 16:48])


def test_resizing_is_rounded_not_cut_off():
    # Two pixels to one: (0 + 255) / 2 = 127.5 and (254 + 255) / 2 = 254.5; halves go to even.
    image = np.array([[[0, 254, 10], [255, 255, 10]]], np.uint8)
    result = resize_to_format(np.repeat(image, 2, axis=0), ImageFormat(1, 1, 3))
    assert result.tolist() == [[[128, 254, 10]]]


def test_grey_is_repeated_for_a_network_of_colours():
    image = picture(4, 8, 8, channels=1)
    np.testing.assert_array_equal(
        resize_to_format(image, ImageFormat(8, 8, 3)), np.repeat(image, 3, axis=2)
    )


def test_colours_become_pillows_luma_for_a_grey_network():
    image = picture(5, 40, 40)
    expected = np.asarray(Image.fromarray(image).convert("L"))[..., None]
    np.testing.assert_array_equal(resize_to_format(image, ImageFormat(40, 40, 1)), expected)


def test_other_channels_are_refused():
    with pytest.raises(UserError, match="5 channels"):
        resize_to_format(np.zeros((8, 8, 5), np.uint8), ImageFormat(8, 8, 3))


@settings(max_examples=20)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
    st.tuples(st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 3])),
    st.sampled_from([1.0, 0.875]),
    st.booleans(),
)
def test_alone_in_a_batch_and_in_a_graph_are_the_same(size, wanted, crop, antialias):
    image_format = ImageFormat(*wanted, crop=crop, antialias=antialias)
    images = np.random.default_rng(0).integers(0, 256, (2, *size), dtype=np.uint8)
    batch = resize_to_format(images, image_format)
    assert batch.shape == (2, *wanted)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[1], resize_to_format(images[1], image_format))
    signature = [tf.TensorSpec([None, None, None], tf.uint8)]
    graph = tf.function(lambda image: resize_image(image, image_format), input_signature=signature)
    np.testing.assert_array_equal(batch[1], graph(images[1]).numpy())


def test_floats_are_rounded_to_pixels():
    image = np.full((2, 2, 1), 99.6, np.float32)
    assert resize_to_format(image, ImageFormat(2, 2, 1)).tolist() == [[[100], [100]]] * 2


def test_a_spec_gives_the_image_formats():
    values = Input(shape=(224, 224, 3), crop=0.875, test_size=288, train_size=192)
    assert evaluation_format(values) == ImageFormat(288, 288, 3, crop=0.875)
    assert training_format(values) == ImageFormat(192, 192, 3, crop=0.875)
    plain = Input(shape=(28, 20, 1), interpolation="bicubic", antialias=False)
    assert evaluation_format(plain) == ImageFormat(28, 20, 1, 1.0, "bicubic", False)
