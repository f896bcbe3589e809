"""Pictures that are odd, damaged, huge, or none."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from reszoo.data.images.decoding import read_image
from tests.hostile.rows import Row, content


def picture(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(mode: str, left: Any, right: Any, size: tuple[int, int] = (8, 4)) -> Image.Image:
    """An image whose left half and right half have a colour each."""
    image = Image.new(mode, size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def empty_png(width: int, height: int, colour: int = 2, depth: int = 8) -> bytes:
    """A whole PNG of zeros, however large."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + width * channels * depth // 8)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return png((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))


def shown(path: Path) -> str:
    """Shape, and the first and last pixel."""
    pixels = read_image(path)
    return f"{pixels.shape} {pixels[0, 0].tolist()} {pixels[-1, -1].tolist()}"


def turned(path: Path) -> object:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise to be upright
    return halves("RGB", "red", "blue").save(path, "PNG", exif=exif)


def animated(kind: str) -> bytes:
    frames = [halves("RGB", "red", "red"), halves("RGB", "blue", "blue")]
    return picture(frames[0], kind, save_all=True, append_images=frames[1:])


def palette_with_transparency() -> bytes:
    image = halves("P", 0, 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    return picture(image, transparency=1)


def socket_file(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


JPEG = picture(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
RED = picture(halves("RGB", (254, 0, 0), (0, 0, 254)))
SIXTEEN = np.full((4, 8), 0x1234, np.uint16)
REFUSED = "error: cannot read the image: "

PICTURES = [
    ("plain", "x.png", content(RED), r"\(4, 8, 3\) \[254, 0, 0\] \[0, 0, 254\]"),
    ("zero bytes", "x.jpg", content(b""), REFUSED + "zero bytes"),
    ("JPEG cut in its header", "x.jpg", content(JPEG[:30]), REFUSED),
    ("JPEG cut in its pixels", "x.jpg", content(JPEG[:-400]), REFUSED + "truncated"),
    ("PNG cut", "x.png", content(RED[:-25]), REFUSED + "truncated"),
    ("PNG with a flipped bit", "x.png", content(RED[:45] + b"\xff" + RED[46:]), REFUSED),
    ("16-bit grey", "x.png", content(picture(Image.fromarray(SIXTEEN))), r"\[18\] \[18\]"),
    ("CMYK", "x.jpg", content(picture(halves("CMYK", (0, 0, 0, 0), (0, 0, 0, 255)), "JPEG")),
     r"\[254, 254, 254\] \[0, 0, 0\]"),
    ("palette", "x.png", content(palette_with_transparency()), r"\[10, 20, 30\] \[255, 255, 255\]"),
    ("grey and alpha", "x.png", content(picture(halves("LA", (9, 255), (9, 0)))), r"\[9\] \[255\]"),
    ("RGBA", "x.png", content(picture(halves("RGBA", (9, 8, 7, 255), (9, 8, 7, 0)))),
     r"\[9, 8, 7\] \[255, 255, 255\]"),
    ("one bit", "x.png", content(picture(halves("1", 0, 1))), r"1\) \[0\] \[255\]"),
    ("float pixels", "x.tif", content(picture(Image.new("F", (4, 4)), "TIFF")),
     REFUSED + "floating-point pixels"),
    ("integers beyond 16 bits", "x.tif", content(picture(Image.new("I", (4, 4), 1 << 20), "TIFF")),
     REFUSED + "integer pixels outside"),
    ("animated GIF", "x.gif", content(animated("GIF")), r"\[254, 0, 0\]|\[255, 0, 0\]"),
    ("animated WebP", "x.webp", content(animated("WEBP")), r"\[25\d, [0-3], [0-3]\]"),
    ("TIFF of two pages", "x.tif", content(animated("TIFF")), r"\[255, 0, 0\]"),
    ("turned by EXIF", "x.png", turned, r"\(8, 4, 3\) \[255, 0, 0\] \[0, 0, 255\]"),
    ("BMP", "x.bmp", content(picture(halves("L", 3, 4), "BMP")), r"\[3\] \[4\]"),
    ("TIFF named .jpg", "x.jpg", content(picture(halves("L", 3, 4), "TIFF")), r"\[3\] \[4\]"),
    ("WebP named .png", "x.png", content(picture(halves("RGB", "red", "red"), "WEBP",
     lossless=True)), r"\[255, 0, 0\]"),
    ("no suffix at all", "x", content(RED), r"\[254, 0, 0\]"),
    ("icon", "x.ico", content(b"\0\0\x01\0\x01\0" + bytes(40)), REFUSED + "an icon"),
    ("HEIC", "x.jpg", content(b"\0\0\0\x18ftypheic" + bytes(99)), REFUSED + "a HEIC photo"),
    ("AVIF", "x.jpg", content(b"\0\0\0\x18ftypavif" + bytes(99)), REFUSED + "an AVIF image"),
    ("film", "x.jpg", content(b"\0\0\0\x18ftypmp42" + bytes(99)), REFUSED + "a video"),
    ("JPEG XL", "x.jxl", content(b"\xff\x0a" + bytes(99)), REFUSED + "a JPEG XL image"),
    ("SVG", "x.png", content("<svg xmlns='http://www.w3.org/2000/svg'/>"), REFUSED + "an SVG"),
    ("Git LFS pointer", "x.jpg", content("version https://git-lfs.github.com/spec/v1\noid sha256"),
     REFUSED + "a Git LFS pointer.*git lfs pull"),
    ("web page", "x.jpg", content("<!DOCTYPE html><title>404</title>"), REFUSED + "a web page"),
    ("PDF", "x.jpg", content("%PDF-1.7\n"), REFUSED + "a PDF"),
    ("NumPy array", "x.npy", lambda path: np.save(path, SIXTEEN), REFUSED + "a NumPy array"),
    ("text", "x.jpg", content("hello"), REFUSED + "not an image"),
    ("random bytes", "x.jpg", content(np.random.default_rng(0).bytes(4096)), REFUSED + "not an im"),
    ("zip", "x.png", content(b"PK\x03\x04" + bytes(30)), REFUSED + "an archive"),
    ("PostScript", "x.jpg", content("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), REFUSED),
    ("PNG of 2^31 x 2^31", "x.png", content(png(
        (b"IHDR", struct.pack(">IIBBBBB", (1 << 31) - 1, (1 << 31) - 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(99))))),
     REFUSED + "more than"),
    ("PNG of width 0", "x.png", content(partial(empty_png, 0, 4)), REFUSED),
    ("bomb of 400 megapixels", "x.png", content(png(
        (b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(99))))), REFUSED + "more than"),
    ("one row too large", "x.png", content(png(
        (b"IHDR", struct.pack(">IIBBBBB", 1 << 14, (1 << 13) + 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(99))))), REFUSED + "more than 134,217,728 pixels"),
    ("large RGBA", "x.png", content(partial(empty_png, 11_500, 11_500, 6)),
     r"\(11500, 11500, 3\) \[255, 255"),
    ("16-bit colour", "x.png", content(partial(empty_png, 400, 400, 2, 16)), r"\(400, 400, 3\)"),
    ("one row of 60 million", "x.png", content(partial(empty_png, 60_000_000, 1, 0)),
     r"\(1, 60000000, 1\)"),
    ("BMP that lies about its size", "x.bmp", content(
        b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 30_000, 3_000, 1, 24, 0, 0, 0, 0, 0, 0)), REFUSED),
    ("compressed text of 100 MB", "x.png", content(lambda: png(
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"zTXt", b"a\0\0" + zlib.compress(bytes(100 << 20), 1)),
        (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""))), REFUSED + r"|\(1, 1, 1\)"),
    ("named pipe", "x.jpg", os.mkfifo, REFUSED + "a named pipe"),
    ("socket", "x.jpg", socket_file, REFUSED + "a socket"),
    ("endless device", "x.jpg", lambda path: path.symlink_to("/dev/zero"), REFUSED + "a device"),
    ("dangling link", "x.jpg", lambda path: path.symlink_to("gone"), REFUSED + "there is no such"),
    ("link to itself", "x.jpg", lambda path: path.symlink_to("x.jpg"), REFUSED + "unreadable"),
    ("folder", "x.jpg", Path.mkdir, REFUSED + "it is a folder"),
    ("file below a file", "x.jpg/y.jpg", lambda path: path.parent.write_bytes(RED),
     REFUSED + "unreadable|there is no such"),
    ("newline and escape in the name", "a\n\x1b[31m.jpg", content("hello"),
     r"error: cannot read the image.*\n  where: +\S*a\n?.*\\x1b\[31m"),
    ("name that is not UTF-8", b"\xff\xfe.png", content(RED), r"\[254, 0, 0\]"),
    ("name of 250 characters", "x" * 246 + ".png", content(RED), r"\[254, 0, 0\]"),
    ("name that is too long", "x" * 300 + ".png", lambda path: None, REFUSED + "unreadable"),
]  # fmt: skip

ROWS = [
    Row(f"picture: {name}", file, make, shown, expected) for name, file, make, expected in PICTURES
]
