"""Drawings of a few primitives that look the same as SVG and as PNG.

Coordinates are in screen pixels, from the top left.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
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
        body = "\n".join(map(_svg, _with_contents(self.shapes)))
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
        for shape in _with_contents(self.shapes):
            _paint(pen, shape, _SHARPNESS * _SMOOTHING)
        file = io.BytesIO()
        image.resize(sharp, Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()


def text_width(text: str, size: float) -> float:
    """Returns the width a text needs in the widest of the usual sans-serif fonts."""
    return 0.56 * size * len(text)


def _with_contents(shapes: Iterable[Shape]) -> Iterator[Shape]:
    """Yields each shape, followed by the texts of a box or the letter or sign of a disc."""
    for shape in shapes:
        yield shape
        if isinstance(shape, Box):
            x, step = shape.x + shape.width / 2, 1.3 * shape.size
            top = shape.y + shape.height / 2 - step * (len(shape.lines) - 1) / 2
            for index, line in enumerate(shape.lines):
                bold = index == 0 and len(shape.lines) > 1
                yield Text(x, top + step * index, line, shape.size, bold, anchor="middle")
        elif isinstance(shape, Disc):
            x, y, radius = shape.x, shape.y, shape.radius
            for ends in _STROKES.get(shape.word, ()):
                yield Arrow(
                    tuple((x + radius * dx, y + radius * dy) for dx, dy in ends), head=False
                )
            if shape.word not in _STROKES:
                yield Text(x, y, shape.word, 1.3 * radius, anchor="middle")


def _head(points: Sequence[Point], length: float = 7, half_width: float = 3.5) -> list[Point]:
    """Returns the corners of an arrowhead: its tip and the two ends of its foot."""
    (x0, y0), (x1, y1) = points[-2:]
    distance = math.hypot(x1 - x0, y1 - y0) or 1.0
    along, down = (x1 - x0) / distance, (y1 - y0) / distance
    x, y = x1 - length * along, y1 - length * down
    right, left = half_width * along, half_width * down
    return [(x1, y1), (x - left, y + right), (x + left, y - right)]


def _svg(shape: Shape) -> str:
    if isinstance(shape, Box):
        return (
            f'<rect x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" '
            f'height="{shape.height:g}" rx="{shape.radius:g}" fill="{shape.fill}" '
            f'stroke="{INK}" stroke-width="1"/>'
        )
    if isinstance(shape, Disc):
        return (
            f'<circle cx="{shape.x:g}" cy="{shape.y:g}" r="{shape.radius:g}" fill="{shape.fill}" '
            f'stroke="{INK}" stroke-width="1"/>'
        )
    if isinstance(shape, Text):
        weight = ' font-weight="bold"' if shape.bold else ""
        return (
            f'<text x="{shape.x:g}" y="{shape.y + 0.35 * shape.size:g}" font-size="{shape.size:g}"'
            f" fill={quoteattr(shape.colour)} text-anchor={quoteattr(shape.anchor)}{weight}>"
            f"{escape(shape.text)}</text>"
        )
    points, corners = (
        " ".join(f"{x:g},{y:g}" for x, y in line) for line in (shape.points, _head(shape.points))
    )
    line = f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.2"/>'
    return line + (f'\n<polygon points="{corners}" fill="{INK}"/>' if shape.head else "")


def _paint(pen: ImageDraw, shape: Shape, scale: int) -> None:
    if isinstance(shape, Arrow):
        points, corners = (
            [(x * scale, y * scale) for x, y in line]
            for line in (shape.points, _head(shape.points))
        )
        pen.line(points, INK, round(1.2 * scale), "curve")
        if shape.head:
            pen.polygon(corners, INK)
        return
    x, y = shape.x * scale, shape.y * scale
    if isinstance(shape, Box):
        corner = (x + shape.width * scale, y + shape.height * scale)
        pen.rounded_rectangle([(x, y), corner], shape.radius * scale, shape.fill, INK, scale)
    elif isinstance(shape, Disc):
        pen.circle((x, y), shape.radius * scale, shape.fill, INK, scale)
    else:
        anchor = {"start": "lm", "middle": "mm", "end": "rm"}[shape.anchor]
        font = font_for(shape.text, shape.size * scale)
        stroke = round(0.02 * shape.size * scale) if shape.bold else 0
        pen.text((x, y), shape.text, shape.colour, font, anchor, stroke_width=stroke)
