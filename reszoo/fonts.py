"""In which letters is a picture labelled? In Pillow's own, and in the system's beyond ASCII.

Pillow's own font is the same everywhere but holds little more than ASCII: a class called `café`
would end in a box.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_WIDER = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "Arial.ttf",
)
"""Fonts of Linux, macOS and Windows; Pillow looks for a file name where the system keeps them."""


def font_for(text: str, size: float) -> FreeTypeFont | ImageFont:
    """A font of `size` pixels that can write the text, where this machine has one."""
    from PIL import ImageFont

    if not text.isascii():
        for name in _WIDER:
            with contextlib.suppress(OSError):
                return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)
