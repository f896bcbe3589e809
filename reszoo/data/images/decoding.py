"""How any image file becomes plain pixels: the one decoder of training, prediction and calibration.

The rules, the same everywhere:

- 8-bit values; one channel for grey, three (RGB) otherwise.
- JPEG decodes with libjpeg's accurate integer DCT, so the pixels equal Pillow's and
  `tf.io.decode_jpeg(..., dct_method="INTEGER_ACCURATE")` bit for bit. (Where only a random crop is
  decoded, in training, the colours of a JPEG that stores them in half size are not interpolated.)
- The orientation in EXIF is applied, transparency is laid on white, CMYK becomes RGB, a palette
  becomes its colours, 16 bits keep their high byte (as libpng does), of an animation the first
  frame is taken.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from reszoo.errors import UserError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")
"""The formats that are read, whatever a file's suffix says."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif"})
"""Suffixes of files that are taken for images when a folder is searched."""

OTHER_SUFFIXES = frozenset(
    {".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".psd", ".svg", ".ico"}
)
"""Suffixes of images that are not read; in a class folder they are named, not passed over."""

MAX_PIXELS = 178_956_970
"""Images with more pixels are refused as decompression bombs (Pillow's own limit for an error)."""

_PLAIN_MODES = frozenset({"L", "RGB"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ROTATED = range(2, 9)
_ORIENTATION_TAG = 0x0112


class BrokenImageError(Exception):
    """The bytes are no image that can be read; the message says why, in a few words."""


def read_image(source: str | os.PathLike[str] | bytes) -> np.ndarray:
    """The pixels of an image file, or of its bytes.

    Returns:
      uint8, shape (height, width, channels), with 1 channel for grey and 3 (RGB) otherwise.

    Raises:
      UserError: the file is missing, empty, truncated, damaged, too large or of another format.
    """
    name = "image" if isinstance(source, bytes) else os.fspath(source)
    try:
        return decode(source if isinstance(source, bytes) else read_file(source))[0]
    except BrokenImageError as error:
        raise UserError(
            f"cannot read the image: {error}",
            where=name,
            expected="a whole JPEG, PNG, BMP, WebP or GIF file",
        ) from None


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
      BrokenImageError: it cannot be read, or nothing is in it.
    """
    try:
        encoded = Path(path).read_bytes()
    except FileNotFoundError:
        raise BrokenImageError("there is no such file") from None
    except IsADirectoryError:
        raise BrokenImageError("it is a folder") from None
    except OSError as error:
        raise BrokenImageError(f"unreadable ({error.strerror or error})") from None
    if not encoded:
        raise BrokenImageError("zero bytes")
    return encoded


def decode(encoded: bytes) -> tuple[np.ndarray, str]:
    """The pixels of an encoded image, and in a few words what it was before it was made plain.

    Returns:
      uint8 pixels of shape (height, width, 1 or 3), and a form such as "JPEG grey", "PNG RGBA",
      "JPEG RGB rotated".

    Raises:
      BrokenImageError: the bytes are truncated, damaged, too large or of another format.
    """
    if not encoded:
        raise BrokenImageError("zero bytes")
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            return _decode(image)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError("not an image in a known format") from None
    except Image.DecompressionBombError:
        raise BrokenImageError(f"more than {MAX_PIXELS:,} pixels") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        ArithmeticError,
        LookupError,
        TypeError,
    ) as error:
        reason = "truncated" if "truncated" in str(error).lower() else "damaged"
        raise BrokenImageError(f"{reason} ({error})") from None


def encode_png(pixels: np.ndarray) -> bytes:
    """Pixels of shape (height, width, 1 or 3), uint8, as a PNG file's bytes: lossless and plain."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
        buffer, "PNG", compress_level=1
    )
    return buffer.getvalue()


def _decode(image: ImageFile.ImageFile) -> tuple[np.ndarray, str]:
    if image.width * image.height > MAX_PIXELS:
        raise BrokenImageError(f"more than {MAX_PIXELS:,} pixels")
    image.load()
    form = _form(image)
    upright = ImageOps.exif_transpose(image) if form.endswith("rotated") else image
    pixels = np.array(_plain(upright))
    return (pixels[..., None] if pixels.ndim == 2 else pixels), form


def _form(image: ImageFile.ImageFile) -> str:
    """What the file holds, for a person: format, kind of pixels, and whether EXIF turns it."""
    names = {"L": "grey", "LA": "grey with alpha", "1": "black and white", "P": "palette"}
    kind = "16-bit grey" if image.mode.startswith("I") else names.get(image.mode, image.mode)
    if "transparency" in image.info and image.mode not in _ALPHA_MODES:
        kind += " with transparency"
    words = [image.format or "image", kind]
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        words.append("first frame")
    if _orientation(image) in _ROTATED:
        words.append("rotated")
    return " ".join(words)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # Damaged EXIF (Pillow raises many kinds) says nothing about the pixels.
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _on_white(image)
    if image.mode in _PLAIN_MODES:
        return image
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode == "F":
        raise BrokenImageError("floating-point pixels have no fixed range")
    return image.convert("L" if image.mode == "1" else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La", "1")
    if image.mode.startswith("I"):
        # Pillow cannot turn 16-bit grey with a transparent value into alpha, so that is done here.
        clear = np.asarray(image) == image.info["transparency"]
        pixels = np.array(_from_16_bits(image))
        pixels[clear] = 255
        return Image.fromarray(pixels)
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    flat = Image.alpha_composite(white, layered).convert("RGB")
    return flat.getchannel(0) if grey else flat


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise BrokenImageError("integer pixels outside 0..65535")
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
