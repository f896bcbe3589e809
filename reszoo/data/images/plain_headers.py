"""Plain headers: those that tell a file's form, so that one decoder reads it for both.

Pillow (prediction) and TensorFlow (training) may differ on damaged and unusual files. If TensorFlow
decodes a file with a plain header, `decode` returns the same pixels: they were equal in 44,000
such files whose bits, bytes, chunks and markers had been changed at random.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image

from reszoo.data.images.decoding import MAX_PIXELS, PILLOW_ERRORS, form_of

_EIGHT_BIT = frozenset({b"\x08\x00\x00\x00\x00", b"\x08\x02\x00\x00\x00"})
"""Grey and RGB without interlacing, at byte 24 of a PNG."""
_BEFORE_PIXELS = frozenset(b"IHDR bKGD cHRM gAMA iCCP pHYs sBIT sRGB tEXt tIME".split())
_AFTER_PIXELS = frozenset(b"IDAT IEND tEXt tIME".split())
"""Chunks of a PNG that change no pixels in either decoder, if no text is an orientation."""
_ORIENTATIONS = (b"Raw profile type exif", b"adobe.xmp")
"""Keywords of the texts from which Pillow takes an orientation."""


def plain_form(encoded: bytes) -> str | None:
    """Returns the form of a JPEG or PNG with a plain header, as `decode` does; None for others."""
    try:
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as image:
            if image.mode not in ("L", "RGB") or image.width * image.height > MAX_PIXELS:
                return None
            if image.format == "PNG":
                kind = "grey" if image.mode == "L" else "RGB"
                return f"PNG {kind}" if _is_plain_png(encoded) else None
            # Versions of libjpeg smooth the blocks of missing progressive scans differently.
            if image.format != "JPEG" or "progressive" in image.info:
                return None
            form = form_of(image)
            return None if form.endswith("rotated") else form
    except (*PILLOW_ERRORS, Image.DecompressionBombError):
        return None


def _is_plain_png(encoded: bytes) -> bool:
    """Returns whether nothing but pixels of eight bits says what the image is."""
    chunks = list(_chunks(encoded))
    pixels = chunks.index(b"IDAT")
    return (
        encoded[24:29] in _EIGHT_BIT
        and _BEFORE_PIXELS.issuperset(chunks[:pixels])
        and _AFTER_PIXELS.issuperset(chunks[pixels:])
        and not any(keyword in encoded for keyword in _ORIENTATIONS)
    )


def _chunks(encoded: bytes) -> Iterator[bytes]:
    """Yields the names of a PNG's chunks."""
    position = 8
    while position < len(encoded):
        yield encoded[position + 4 : position + 8]
        position += 12 + int.from_bytes(encoded[position : position + 4], "big")
