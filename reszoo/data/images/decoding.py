"""Decoding: any image file becomes RGB or grey pixels, in training as in prediction.

The rules, the same everywhere:

- Values are uint8, with one channel for grey and three (RGB) otherwise.
- JPEG is decoded with libjpeg's accurate integer DCT, so the pixels equal Pillow's and
  `tf.io.decode_jpeg(..., dct_method="INTEGER_ACCURATE")` bit for bit. (Training's
  random crops are the exception: subsampled chroma is not interpolated.)
- EXIF orientation is applied, transparency is composited on white, CMYK is converted to RGB, a
  palette to its colours, and an animation or a file of several pages is its first.
- 16-bit values keep their high byte (as libpng does) unless the network has a range for 16-bit grey
  (`input.sixteen_bit`), which then becomes 0..255.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from reszoo.errors import UserError
from reszoo.path_hints import missing_path_hint
from reszoo.regular_files import special_kind

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")
"""Formats that are read, regardless of a file's suffix."""

MAX_PIXELS = 1 << 27
"""Larger images are rejected as decompression bombs. Decoding takes up to 8 bytes per pixel (4 in
Pillow, which turns into a copy), so 1 GiB."""

PILLOW_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    ArithmeticError,
    LookupError,
    TypeError,
)
"""Errors that Pillow raises for damaged files."""

_STRIP_PIXELS = 1 << 22
_PLAIN_MODES = frozenset({"L", "RGB"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ROTATED = range(2, 9)
_ORIENTATION_TAG, _SUBFILE_TAG, _DNG_TAG = 0x0112, 0x00FE, 0xC612

SixteenBit = tuple[int, int] | Literal["high_byte", "full_range"] | None
"""How 16-bit grey becomes 8-bit: a range that becomes 0..255, one that is not measured yet, or the
high byte."""

_SAVE_ANEW = "save it as JPEG or PNG"
_FOREIGN = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the image: run `git lfs pull`"),
    (rb"....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)", f"a HEIC photo: {_SAVE_ANEW}"),
    (rb"....ftyp(avif|avis)", f"an AVIF image: {_SAVE_ANEW}"),
    (rb"....ftypcrx |IIRO|IIU\0|FUJIFILM", f"a camera raw file: {_SAVE_ANEW}"),
    (rb"....ftyp", "a video, not an image: save its frames as JPEG or PNG"),
    (rb"\xff\x0a|....JXL ", f"a JPEG XL image: {_SAVE_ANEW}"),
    (rb"....jP  |\xff\x4f\xff\x51", f"a JPEG 2000 image: {_SAVE_ANEW}"),
    (rb"8BPS", f"a Photoshop file: {_SAVE_ANEW}"),
    (rb"\0\0\x01\0", f"an icon: {_SAVE_ANEW}"),
    (rb"%PDF", "a PDF document: save its pages as JPEG or PNG"),
    (rb"\x93NUMPY", "a NumPy array: give arrays in Python, or save it as PNG"),
    (rb".{128}DICM", "a DICOM file: save it as PNG"),
    (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf", "an archive: unpack it"),
    (rb"\s*<svg|\s*<\?xml", f"an SVG drawing: {_SAVE_ANEW}"),
    (rb"(?i)\s*<(!doctype|html)", "a web page, not the image: download the image again"),
)
"""Beginnings of files that are no images we read, and what to do about them."""


class BrokenImageError(Exception):
    """An image that cannot be read; the message is the reason in a few words."""


def read_image(
    source: str | os.PathLike[str] | bytes, sixteen_bit: SixteenBit = None
) -> np.ndarray:
    """Reads an image file, or its bytes; `sixteen_bit` is the image format's.

    Returns:
      uint8, shape (height, width, channels), with 1 channel for grey and 3 (RGB) otherwise.

    Raises:
      UserError: the file is missing, empty, truncated, damaged, too large or of another format.
    """
    name = "image" if isinstance(source, bytes) else os.fspath(source)
    try:
        pixels, _ = decode(source if isinstance(source, bytes) else read_file(source))
        return to_8_bits(pixels, sixteen_bit)
    except BrokenImageError as error:
        raise UserError(
            f"cannot read the image: {error}",
            where=name,
            expected="an intact JPEG, PNG, BMP, WebP, GIF or TIFF file",
            hint="leave it out, or replace it with an intact image file"
            if isinstance(source, bytes) or os.path.lexists(source)
            else missing_path_hint(source),
        ) from None


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a file.

    Raises:
      BrokenImageError: the file is missing, unreadable, empty, or a pipe, socket or device.
    """
    if kind := special_kind(path):
        raise BrokenImageError(f"{kind}, not a file")
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
      Pixels of shape (height, width, 1 or 3), and the form, such as "JPEG grey", "PNG RGBA" or
      "JPEG RGB rotated". Pixels are uint8, or uint16 of one channel for 16-bit grey.

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
        raise BrokenImageError(_foreign_reason(encoded)) from None
    except Image.DecompressionBombError:
        raise BrokenImageError(f"more than {MAX_PIXELS:,} pixels") from None
    except PILLOW_ERRORS as error:
        reason = "truncated" if "truncated" in str(error).lower() else "damaged"
        raise BrokenImageError(f"{reason} ({error})") from None


def to_8_bits(pixels: np.ndarray, sixteen_bit: SixteenBit) -> np.ndarray:
    """Converts uint16 pixels to uint8, in whole numbers; uint8 is returned as it is.

    Raises:
      UserError: the range of a network with `full_range` has not been measured.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if sixteen_bit == "full_range":
        raise unmeasured_range()
    if sixteen_bit is None or sixteen_bit == "high_byte":
        return (pixels >> 8).astype(np.uint8)
    low, high = sixteen_bit
    span = high - low
    steps = np.clip(pixels.astype(np.int32), low, high) - low
    return ((steps * 510 + span) // (2 * span)).astype(np.uint8)


def unmeasured_range() -> UserError:
    """Returns the error for 16-bit images and a network that was never trained on any."""
    return UserError(
        "the network's range of 16-bit values has not been measured",
        where="input.sixteen_bit",
        expected="two numbers, such as [0, 4095], or a network that was trained",
        found="full_range",
        hint="train the network (a run holds the range), or write the two numbers",
    )


def encode_png(pixels: np.ndarray) -> bytes:
    """Encodes pixels, uint8 of shape (height, width, 1 or 3) or uint16 grey, as PNG."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _decode(image: ImageFile.ImageFile) -> tuple[np.ndarray, str]:
    if image.width * image.height > MAX_PIXELS:
        raise BrokenImageError(f"more than {MAX_PIXELS:,} pixels")
    if image.format == "TIFF" and _is_preview(image):
        raise BrokenImageError(f"a camera raw file: {_SAVE_ANEW}")
    image.load()
    form = form_of(image)
    upright = ImageOps.exif_transpose(image) if form.endswith("rotated") else image
    pixels = _pixels(upright)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), form


def _pixels(image: Image.Image) -> np.ndarray:
    """Converts an image strip by strip: of a large one, conversions would hold several copies."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        return _convert(image)
    pixels: np.ndarray | None = None
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = _convert(image.crop((0, top, image.width, bottom)))
        if pixels is None:
            pixels = np.empty((image.height, *strip.shape[1:]), strip.dtype)
        pixels[top:bottom] = strip
    assert pixels is not None
    return pixels


def _convert(image: Image.Image) -> np.ndarray:
    """Returns uint8 of mode L or RGB, or uint16 for grey of more than 8 bits."""
    deep = image.mode.startswith("I")
    return _sixteen_bit_values(image) if deep else np.array(_to_l_or_rgb(image))


def form_of(image: ImageFile.ImageFile) -> str:
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


def _is_preview(image: Image.Image) -> bool:
    """Returns whether a TIFF begins with a small preview, as raw files (DNG, NEF, ...) do."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    return bool(tags.get(_SUBFILE_TAG, 0) & 1) or _DNG_TAG in tags


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
    if image.mode == "F":
        raise BrokenImageError("floating-point pixels have no fixed range")
    return image.convert("L" if image.mode == "1" else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La", "1")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    flat = Image.alpha_composite(white, layered).convert("RGB")
    return flat.getchannel(0) if grey else flat


def _sixteen_bit_values(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise BrokenImageError("integer pixels outside 0..65535")
    pixels = values.astype(np.uint16)
    if "transparency" in image.info:
        # Pillow cannot convert 16-bit grey with a transparent value to alpha.
        pixels[values == image.info["transparency"]] = 0xFFFF
    return pixels


def _foreign_reason(encoded: bytes) -> str:
    """Says what a file is that is no image we read, and what to do."""
    start = encoded[:512]
    reasons = (what for beginning, what in _FOREIGN if re.match(beginning, start, re.DOTALL))
    return next(reasons, "not an image in a known format")
