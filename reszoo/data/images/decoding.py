"""Decoding: any image file becomes RGB or grey pixels, in training as in prediction.

The rules, the same everywhere:

- Values are uint8, with one channel for grey and three (RGB) otherwise.
- JPEG is decoded with libjpeg's accurate integer DCT, so the pixels equal Pillow's and
  `tf.io.decode_jpeg(..., dct_method="INTEGER_ACCURATE")` bit for bit. (Training's
  random crops are the exception: subsampled chroma is not interpolated.)
- EXIF orientation is applied, transparency is composited on white, CMYK is converted to RGB, a
  palette to its colours, 16-bit values keep their high byte (as libpng does), and an animation is
  its first frame.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from reszoo.errors import UserError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")
"""Formats that are read, regardless of a file's suffix."""

MAX_PIXELS = 178_956_970
"""Larger images are rejected as decompression bombs (Pillow's limit for an error)."""

_PIL_ERRORS = (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, TypeError)
_PLAIN_MODES = frozenset({"L", "RGB"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ROTATED = range(2, 9)
_ORIENTATION_TAG = 0x0112


class BrokenImageError(Exception):
    """An image that cannot be read; the message is the reason in a few words."""


def read_image(source: str | os.PathLike[str] | bytes) -> np.ndarray:
    """Reads an image file, or its bytes.

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
    """Returns the bytes of a file.

    Raises:
      BrokenImageError: the file is missing, unreadable or empty.
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
    """Decodes an image, and describes its original form.

    Returns:
      Pixels, uint8 of shape (height, width, 1 or 3), and the form, such as "JPEG grey", "PNG RGBA"
      or "JPEG RGB rotated".

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
    except _PIL_ERRORS as error:
        reason = "truncated" if "truncated" in str(error).lower() else "damaged"
        raise BrokenImageError(f"{reason} ({error})") from None


def encode_png(pixels: np.ndarray) -> bytes:
    """Encodes pixels, uint8 of shape (height, width, 1 or 3), as PNG."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _decode(image: ImageFile.ImageFile) -> tuple[np.ndarray, str]:
    if image.width * image.height > MAX_PIXELS:
        raise BrokenImageError(f"more than {MAX_PIXELS:,} pixels")
    image.load()
    form = _form(image)
    upright = ImageOps.exif_transpose(image) if form.endswith("rotated") else image
    pixels = np.array(_to_l_or_rgb(upright))
    return (pixels[..., None] if pixels.ndim == 2 else pixels), form


def _form(image: ImageFile.ImageFile) -> str:
    """Describes the file: format, kind of pixels, and whether EXIF rotates it."""
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
    except Exception:  # Damaged EXIF (Pillow raises many types) does not concern the pixels.
        return 1


def _to_l_or_rgb(image: Image.Image) -> Image.Image:
    """Converts an image to mode L or RGB."""
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _on_white(image)
    if image.mode in _PLAIN_MODES:
        return image
    if image.mode.startswith("I"):
        return _to_8_bits(image)
    if image.mode == "F":
        raise BrokenImageError("floating-point pixels have no fixed range")
    return image.convert("L" if image.mode == "1" else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La", "1")
    if image.mode.startswith("I"):
        # Pillow cannot convert 16-bit grey with a transparent value to alpha.
        clear = np.asarray(image) == image.info["transparency"]
        pixels = np.array(_to_8_bits(image))
        pixels[clear] = 255
        return Image.fromarray(pixels)
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    flat = Image.alpha_composite(white, layered).convert("RGB")
    return flat.getchannel(0) if grey else flat


def _to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise BrokenImageError("integer pixels outside 0..65535")
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
