from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from reszoo.data.images.decoding import decode, encode_png, read_image
from reszoo.errors import UserError
from tests.data.conftest import encoded, odd_images, picture

RED_ON_CLEAR = np.zeros((2, 2, 4), np.uint8)
RED_ON_CLEAR[0, 0] = [255, 0, 0, 255]


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 33), (120, 90)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 30}, {"quality": 100}]
)
def test_jpeg_equals_pillow_and_tensorflow_bit_for_bit(size, channels, options):
    data = encoded(picture(7, *size, channels), "JPEG", **options)
    pixels = read_image(data)
    accurate = tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy()
    np.testing.assert_array_equal(pixels, accurate)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*size, channels)


@pytest.mark.parametrize("name", odd_images())
def test_every_kind_of_file_becomes_plain_pixels(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(odd_images()[name])
    pixels = read_image(path)
    grey = ("grey" in name or "black" in name) and name != "grey_alpha.webp"
    assert pixels.dtype == np.uint8
    assert pixels.shape == ((30, 20) if "rotated" in name else (20, 30)) + ((1,) if grey else (3,))
    np.testing.assert_array_equal(read_image(path.read_bytes()), pixels)
    np.testing.assert_array_equal(read_image(encode_png(pixels)), pixels)


def test_exif_rotation_is_applied():
    # Orientation 6: the camera was turned, so the picture is to be turned 90 degrees clockwise.
    pixels = read_image(odd_images()["rotated.png"])
    np.testing.assert_array_equal(pixels, np.rot90(picture(1), -1))


def test_damaged_exif_is_no_reason_to_refuse_a_picture():
    data = encoded(picture(1), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert read_image(data).shape == (20, 30, 3)


def test_transparency_is_laid_on_white():
    pixels = read_image(encoded(Image.fromarray(RED_ON_CLEAR, "RGBA")))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[1, 1].tolist() == [255, 255, 255]


def test_half_transparent_black_is_mid_grey_on_white():
    layered = Image.fromarray(np.full((1, 1, 2), [0, 128], np.uint8), "LA")
    # 255 * (1 - 128 / 255) = 127
    assert read_image(encoded(layered)).tolist() == [[[127]]]


def test_transparent_colour_of_a_palette_is_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    pixels = read_image(encoded(image, transparency=1))
    assert pixels.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_sixteen_bits_keep_their_high_byte():
    deep = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    assert read_image(encoded(Image.fromarray(deep)))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_transparent_value_of_deep_grey_is_white():
    deep = Image.fromarray(np.array([[0, 1000]], np.uint16))
    assert read_image(encoded(deep, transparency=1000))[0, :, 0].tolist() == [0, 255]


def test_cmyk_becomes_its_rgb():
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    cyan = read_image(encoded(image, "JPEG", quality=100))
    assert np.abs(cyan.astype(int) - [0, 255, 255]).max() <= 2


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_image(data)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("plain.jpg", "JPEG RGB"),
        ("rotated.jpg", "JPEG RGB rotated"),
        ("cmyk.jpg", "JPEG CMYK"),
        ("grey.png", "PNG grey"),
        ("palette_clear.png", "PNG palette with transparency"),
        ("deep_grey.png", "PNG 16-bit grey"),
        ("moving.gif", "GIF palette first frame"),
    ],
)
def test_decoding_says_what_the_file_was(name, form):
    assert decode(odd_images()[name])[1] == form


def _bomb() -> bytes:
    """A PNG of a few bytes that claims 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


PHOTO = encoded(picture(1, 100, 100), "JPEG")
DRAWING = encoded(picture(1, 100, 100))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (PHOTO[: len(PHOTO) // 2], "truncated"),
        (DRAWING[: len(DRAWING) // 2], "truncated"),
        (DRAWING[:60] + b"\0" * 40 + DRAWING[100:], "damaged"),
        (b"hello, I am no image", "not an image in a known format"),
        (b"\0\0\0\x18ftypheic" + bytes(9), "a HEIC photo: save it as JPEG or PNG"),
        (b"\0\0\0\x20ftypavif" + bytes(9), "an AVIF image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "run `git lfs pull`"),
        (b"<!DOCTYPE html><html>", "a web page, not the image"),
        (b"\0\0\1\0\1\0" + bytes(9), "an icon"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"<svg xmlns='a'/>", "an SVG drawing"),
        (b"PK\3\4" + bytes(9), "an archive: unpack it"),
        (bytes(128) + b"DICM", "a DICOM file"),
        (encoded(picture(), "TIFF", tiffinfo={0xFE: 1}), "a camera raw file"),
        (_bomb(), "pixels"),
    ],
)
def test_what_is_no_whole_image_is_refused_by_name(data, reason, tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    with pytest.raises(UserError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(UserError, match="folder"):
        read_image(Path(tmp_path))
