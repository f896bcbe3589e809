from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from reszoo.data.images.decoding import decode
from reszoo.data.images.plain_headers import plain_form
from tests.data.conftest import encoded, odd_images, picture

PLAIN = {"plain.jpg", "fine_chroma.jpg", "grey.jpg", "plain.png", "grey.png"}
PLAIN |= {"named_wrongly.png", "UPPER.JPG"}


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def test_headers_of_ordinary_files_are_plain_and_no_others():
    forms = {name: plain_form(content) for name, content in odd_images().items()}
    assert {name for name, form in forms.items() if form} == PLAIN
    for name in PLAIN:
        assert forms[name] == decode(odd_images()[name])[1]


@pytest.mark.parametrize(
    "options", [{}, {"dpi": (72, 72)}, {"icc_profile": b"profile"}, {"bits": 8}, {"optimize": True}]
)
def test_a_png_may_have_ordinary_chunks_before_its_pixels(options):
    assert plain_form(encoded(picture(), **options)) == "PNG RGB"


def test_a_png_may_say_who_made_it_before_or_after_its_pixels():
    content = encoded(picture())
    maker = chunk(b"tEXt", b"Software\0a camera")
    for at in (33, len(content) - 12):
        assert plain_form(content[:at] + maker + content[at:]) == "PNG RGB"


ORIENTATION = b'<x:xmpmeta tiff:Orientation="6"/>'


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tRNS", bytes(6)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ORIENTATION),
        chunk(b"tEXt", b"XML:com.adobe.xmp\0" + ORIENTATION),
        chunk(b"tEXt", b"Raw profile type exif\0"),
        chunk(b"abCD", b"of a later standard"),
    ],
)
def test_a_chunk_that_may_change_pixels_is_not_plain_wherever_it_stands(extra):
    content = encoded(picture())
    for at in (33, len(content) - 12):
        assert plain_form(content[:at] + extra + content[at:]) is None


def test_an_interlaced_png_is_not_plain():
    content = bytearray(encoded(picture()))
    content[28] = 1
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    assert plain_form(bytes(content)) is None


@pytest.mark.parametrize("content", [b"", b"text", encoded(picture())[:20]])
def test_what_is_no_whole_header_is_not_plain(content):
    assert plain_form(content) is None


def test_a_damaged_chunk_before_the_pixels_is_not_plain():
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "a camera")
    content = encoded(picture(), pnginfo=text)
    assert plain_form(content) == "PNG RGB"
    assert plain_form(content.replace(b"a camera", b"x camera")) is None


def test_a_picture_of_too_many_pixels_is_not_plain(monkeypatch):
    monkeypatch.setattr("reszoo.data.images.plain_headers.MAX_PIXELS", 599)
    assert plain_form(encoded(picture(0, 20, 30))) is None
    monkeypatch.setattr("reszoo.data.images.plain_headers.MAX_PIXELS", 600)
    assert plain_form(encoded(picture(0, 20, 30))) == "PNG RGB"


def test_a_turned_jpeg_is_not_plain():
    exif = Image.Exif()
    exif[0x0112] = 1
    assert plain_form(encoded(picture(), "JPEG", exif=exif)) == "JPEG RGB"
    exif[0x0112] = 3
    assert plain_form(encoded(picture(), "JPEG", exif=exif)) is None
