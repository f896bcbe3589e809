"""Contact sheets: a picture of a few images of each class of a data set."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reszoo.counted import counted
from reszoo.data.dataset import ImageData, Split, evenly_spaced
from reszoo.data.source import decode_each
from reszoo.fonts import font_for

MARGIN = 16
GAP = 6
_TITLE_SIZE = 18
_TEXT_SIZE = 14
_LABEL_WIDTH = 180
PAPER = (255, 255, 255)
_INK = (32, 32, 32)
_FAINT = (120, 120, 120)
_BACKGROUND = (236, 236, 236)
_ELLIPSIS = "..."


def contact_sheet(
    data: ImageData,
    split: str = "train",
    *,
    per_class: int = 10,
    thumbnail: int = 72,
    most_classes: int = 50,
) -> Image.Image:
    """Draws a row per class: its name, its number of images, and some of them, evenly spaced.

    Each image is fitted into a square of side `thumbnail`; small ones are enlarged by whole
    factors, so that their pixels can be seen. The title says if there are more classes than rows.
    """
    examples = data.split(split)
    rows = min(len(data.classes), most_classes)
    row_height = thumbnail + GAP
    top = MARGIN + _TITLE_SIZE + 2 * GAP
    size = (
        2 * MARGIN + _LABEL_WIDTH + per_class * (thumbnail + GAP) - GAP,
        top + rows * row_height - GAP + MARGIN,
    )
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    title = _title(data, examples, rows)
    font = font_for(title, _TITLE_SIZE)
    draw.text((MARGIN, MARGIN), _shorten(draw, title, font, size[0] - 2 * MARGIN), _INK, font)
    for label in range(rows):
        y = top + label * row_height
        _write_label(draw, data.classes[label], examples.counts[label], y, thumbnail)
        for column, pixels in enumerate(_examples(examples, label, per_class)):
            x = MARGIN + _LABEL_WIDTH + column * (thumbnail + GAP)
            paste_thumbnail(sheet, pixels, (x, y), thumbnail)
    return sheet


def _title(data: ImageData, examples: Split, rows: int) -> str:
    title = f"{data.name}, {examples.name}: {counted(len(examples), 'image')}, "
    title += counted(len(data.classes), "class", "classes")
    return title if rows == len(data.classes) else f"{title} (the first {rows} shown)"


def _write_label(draw: ImageDraw.ImageDraw, name: str, count: int, y: int, thumbnail: int) -> None:
    font, small = font_for(name, _TEXT_SIZE), font_for("", _TEXT_SIZE)
    middle = y + thumbnail // 2
    name = _shorten(draw, name, font, _LABEL_WIDTH - 2 * GAP)
    draw.text((MARGIN, middle - GAP // 2), name, _INK, font, anchor="ls")
    draw.text((MARGIN, middle + GAP // 2), counted(count, "image"), _FAINT, small, anchor="lt")


def _shorten(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: float,
) -> str:
    """Cuts a text that is wider than `width`, and adds an ellipsis."""
    text = " ".join(text.encode("utf-8", "replace").decode().splitlines())
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + _ELLIPSIS, font) > width:
        text = text[:-1]
    return text + _ELLIPSIS


def _examples(examples: Split, label: int, count: int) -> list[np.ndarray]:
    """Returns the pixels of some images of a class, evenly spaced over it."""
    members = examples.indices[examples.labels == label]
    if not len(members):
        return []
    sample = members[evenly_spaced(len(members), count)]
    return [image.numpy() for image in decode_each(examples.source, sample)]


def paste_thumbnail(
    sheet: Image.Image, pixels: np.ndarray, corner: tuple[int, int], side: int
) -> None:
    """Pastes an image, resized but not cropped, into the middle of a square."""
    height, width, channels = pixels.shape
    image = Image.fromarray(pixels[..., 0] if channels in (1, 2) else pixels[..., :3])
    image = image.convert("RGB")
    if max(height, width) <= side:
        factor = side // max(height, width)
        fitted = image.resize((width * factor, height * factor), Image.Resampling.NEAREST)
    else:
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        fitted = image.resize(size, Image.Resampling.LANCZOS)
    sheet.paste(_BACKGROUND, (*corner, corner[0] + side, corner[1] + side))
    offset = ((side - fitted.width) // 2, (side - fitted.height) // 2)
    sheet.paste(fitted, (corner[0] + offset[0], corner[1] + offset[1]))
