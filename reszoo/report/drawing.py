"""Drawings of a few primitives that look the same as SVG and as PNG.

Coordinates are in screen pixels, from the top left.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from reszoo.fonts import font_for

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]

INK = "#1f2933"
FAINT = "#7b8794"
PAPER = "#ffffff"

_STROKES = {
    "plus": (((-0.5, 0.0), (0.5, 0.0)), ((0.0, -0.5), (0.0, 0.5))),
    "minus": (((-0.5, 0.0), (0.5, 0.0)),),
    "times": (((-0.4, -0.4), (0.4, 0.4)), ((-0.4, 0.4), (0.4, -0.4))),
}
"""Lines of a sign, in radii of its disc."""

_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_SHARPNESS = 2
"""Pixels of the PNG per pixel of the drawing."""
_SMOOTHING = 2
"""The PNG is drawn larger by this factor and scaled down, which smooths slanted edges."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with rounded corners and centred lines of text."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    lines: tuple[str, ...] = ()
    size: float = 12
    radius: float = 6


@dataclass(frozen=True, slots=True)
class Disc:
    """A circle around one letter or a sign: plus, times or minus."""

    x: float
    y: float
    radius: float
    fill: str
    word: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through points, with an arrowhead at the last one if `head` is set."""

    points: tuple[Point, ...]
    head: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `y` is its vertical centre."""

    x: float
    y: float
    text: str
    size: float = 12
    bold: bool = False
    colour: str = INK
    anchor: str = "start"


Shape = Box | Disc | Arrow | Text


@dataclass(slots=True)
class Drawing:
    """A sheet with shapes, from back to front."""

    width: float
    height: float
    shapes: list[Shape] = field(default_factory=list)

    def svg(self) -> str:
        """Returns the drawing as the text of an SVG file."""
        body = "\n".join(part for shape in self.shapes for part in _svg(shape))
        width, height = round(self.width), round(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{_FONT}">\n'
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n{body}\n</svg>\n'
        )

    def png(self) -> bytes:
        """Returns the drawing as the content of a PNG file, at two pixels per screen pixel."""
        from PIL import Image, ImageDraw

        sharp = (round(self.width * _SHARPNESS), round(self.height * _SHARPNESS))
        image = Image.new("RGB", (sharp[0] * _SMOOTHING, sharp[1] * _SMOOTHING), PAPER)
        pen = ImageDraw.Draw(image)
        for shape in self.shapes:
            _paint(pen, shape, _SHARPNESS * _SMOOTHING)
        file = io.BytesIO()
        image.resize(sharp, Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()


def text_width(text: str, size: float) -> float:
    """Returns the width a text needs in the widest of the usual sans-serif fonts."""
    return 0.56 * size * len(text)


def _box_texts(box: Box) -> Iterable[Text]:
    step = 1.3 * box.size
    top = box.y + box.height / 2 - step * (len(box.lines) - 1) / 2
    for index, line in enumerate(box.lines):
        bold = index == 0 and len(box.lines) > 1
        yield Text(box.x + box.width / 2, top + step * index, line, box.size, bold, anchor="middle")


def _head(points: Sequence[Point], length: float = 7, half_width: float = 3.5) -> list[Point]:
    (x0, y0), (x1, y1) = points[-2:]
    distance = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 or 1.0
    along = ((x1 - x0) / distance, (y1 - y0) / distance)
    foot = (x1 - length * along[0], y1 - length * along[1])
    across = (-along[1] * half_width, along[0] * half_width)
    return [
        (x1, y1),
        (foot[0] + across[0], foot[1] + across[1]),
        (foot[0] - across[0], foot[1] - across[1]),
    ]


def _svg(shape: Shape) -> Iterable[str]:
    if isinstance(shape, Box):
        yield (
            f'<rect x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" '
            f'height="{shape.height:g}" rx="{shape.radius:g}" fill="{shape.fill}" '
            f'stroke="{INK}" stroke-width="1"/>'
        )
        for text in _box_texts(shape):
            yield from _svg(text)
    elif isinstance(shape, Disc):
        yield (
            f'<circle cx="{shape.x:g}" cy="{shape.y:g}" r="{shape.radius:g}" fill="{shape.fill}" '
            f'stroke="{INK}" stroke-width="1"/>'
        )
        for part in _inside(shape):
            yield from _svg(part)
    elif isinstance(shape, Arrow):
        points = " ".join(f"{x:g},{y:g}" for x, y in shape.points)
        yield f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.2"/>'
        if shape.head:
            corners = " ".join(f"{x:g},{y:g}" for x, y in _head(shape.points))
            yield f'<polygon points="{corners}" fill="{INK}"/>'
    else:
        weight = ' font-weight="bold"' if shape.bold else ""
        yield (
            f'<text x="{shape.x:g}" y="{shape.y + 0.35 * shape.size:g}" font-size="{shape.size:g}"'
            f" fill={quoteattr(shape.colour)} text-anchor={quoteattr(shape.anchor)}{weight}>"
            f"{escape(shape.text)}</text>"
        )


def _inside(disc: Disc) -> Iterable[Shape]:
    """Returns the letter, or a sign as strokes, since not every font has the signs."""
    for a, b in _STROKES.get(disc.word, ()):
        ends = [(disc.x + disc.radius * x, disc.y + disc.radius * y) for x, y in (a, b)]
        yield Arrow(tuple(ends), head=False)
    if disc.word not in _STROKES:
        yield Text(disc.x, disc.y, disc.word, 1.3 * disc.radius, anchor="middle")


def _paint(pen: ImageDraw, shape: Shape, scale: int) -> None:
    if isinstance(shape, Box):
        corners = [shape.x, shape.y, shape.x + shape.width, shape.y + shape.height]
        pen.rounded_rectangle(
            [value * scale for value in corners], shape.radius * scale, shape.fill, INK, scale
        )
        for text in _box_texts(shape):
            _paint(pen, text, scale)
    elif isinstance(shape, Disc):
        centre = (shape.x * scale, shape.y * scale)
        pen.circle(centre, shape.radius * scale, shape.fill, INK, scale)
        for part in _inside(shape):
            _paint(pen, part, scale)
    elif isinstance(shape, Arrow):
        points = [(x * scale, y * scale) for x, y in shape.points]
        pen.line(points, INK, round(1.2 * scale), "curve")
        if shape.head:
            pen.polygon([(x * scale, y * scale) for x, y in _head(shape.points)], INK)
    else:
        _paint_text(pen, shape, scale)


def _paint_text(pen: ImageDraw, text: Text, scale: int) -> None:
    anchor = {"start": "lm", "middle": "mm", "end": "rm"}[text.anchor]
    pen.text(
        (text.x * scale, text.y * scale),
        text.text,
        text.colour,
        font_for(text.text, text.size * scale),
        anchor,
        stroke_width=round(0.02 * text.size * scale) if text.bold else 0,
    )
