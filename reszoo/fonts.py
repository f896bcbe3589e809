"""Fonts for labels in pictures: Pillow's own for ASCII, one of the system's for other text.

Pillow's own font is the same on every machine but covers little more than ASCII: a class called
`café` would end in a box.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_UNICODE_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "Arial.ttf",
)
"""Fonts of Linux, macOS and Windows; Pillow finds a file name in the system's font folders."""


def font_for(text: str, size: float) -> FreeTypeFont | ImageFont:
    """Returns a font of `size` pixels that covers the text, if this machine has one."""
    from PIL import ImageFont

    if not text.isascii():
        for name in _UNICODE_FONTS:
            with contextlib.suppress(OSError):
                return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)
