"""A contact sheet of mistakes: pictures above their predicted and their true class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reszoo.errors import visible
from reszoo.fonts import font_for

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_COLUMNS = 8
_SIDE = 144
"""Pixels of the longer side of a picture: eight rows and columns of a digit take 18 each."""
_GAP = 16
_TITLE_SIZE, _TEXT_SIZE, _LINE = 20, 15, 20
_PAPER, _INK, _FAINT = "#ffffff", "#1f2933", "#616e7c"
_ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Caption:
    """The texts below a picture."""

    predicted: str
    confidence: str
    """Such as `98.7 %`; it is never cut off."""
    true: str


def mistake_sheet(title: str, images: Iterable[Image], captions: Sequence[Caption]) -> Image:
    """Returns a sheet of pictures in rows of eight, each with its caption."""
    from PIL import Image, ImageDraw

    rows = -(-len(captions) // _COLUMNS)
    top, row_height = _TITLE_SIZE + 2 * _GAP, _SIDE + 2 * _LINE + _GAP
    size = (_GAP + _COLUMNS * (_SIDE + _GAP), top + max(rows, 1) * row_height)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP), title, _TITLE_SIZE, _INK, size[0] - 2 * _GAP)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x = _GAP + number % _COLUMNS * (_SIDE + _GAP)
        y = top + number // _COLUMNS * row_height
        scaled = _scaled(image)
        sheet.paste(scaled, (x, y + _SIDE - scaled.height))
        predicted = _fitted(caption.predicted, _TEXT_SIZE, _SIDE, tail=f"  {caption.confidence}")
        _write(draw, (x, y + _SIDE + 3), predicted, _TEXT_SIZE, _INK, _SIDE)
        true = f"is {caption.true}"
        _write(draw, (x, y + _SIDE + 3 + _LINE), true, _TEXT_SIZE, _FAINT, _SIDE)
    return sheet


def _scaled(image: Image) -> Image:
    """Returns a picture that fits; pixels of small ones stay visible as squares."""
    from PIL import Image, ImageOps

    if (factor := _SIDE // max(image.size)) > 1:
        size = (image.width * factor, image.height * factor)
        return image.resize(size, Image.Resampling.NEAREST)
    return ImageOps.contain(image, (_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _write(
    draw: ImageDraw, place: tuple[int, int], text: str, size: int, colour: str, width: int
) -> None:
    text = _fitted(text, size, width)
    draw.text(place, text, colour, font_for(text, size))


def _fitted(text: str, size: int, width: int, tail: str = "") -> str:
    """Returns a line of text and its tail, shortened before the tail to a width in pixels."""
    text = visible(text)
    font = font_for(text + tail, size)
    if font.getlength(text + tail) <= width:
        return text + tail
    while text and font.getlength(text + _ELLIPSIS + tail) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS + tail
