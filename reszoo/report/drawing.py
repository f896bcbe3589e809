"""Drawings of four primitives, written as SVG or as PNG.

Coordinates are in screen pixels, from the top left.
"""

from __future__ import annotations

import io
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from reszoo.errors import visible
from reszoo.fonts import font_for

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]
"""Left, top, right and bottom."""

INK = "#1f2933"
FAINT = "#616e7c"
LINE = "#52606d"
PAPER = "#ffffff"
CARD_EDGE = "#cbd2d9"

_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_NOT_XML = re.compile(r"[\ud800-\udfff\ufffe\uffff]")
_MARGIN = 28.0
_PNG_WIDTH = 1600
"""A PNG is at most this wide, but has no fewer pixels than the drawing."""
_SHARPNESS = 2.0
"""Pixels of a PNG per pixel of the drawing, if it is not too wide for that."""
_SMOOTHING = 2
"""A PNG is drawn larger by this factor and scaled down, which smooths slanted edges."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with rounded corners."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str = LINE
    radius: float = 5


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle around (x, y)."""

    x: float
    y: float
    radius: float
    fill: str = PAPER
    edge: str = LINE


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through points, with an arrowhead at the last one if `head` is set."""

    points: tuple[Point, ...]
    head: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `y` is its vertical centre, `anchor` start, middle or end."""

    x: float
    y: float
    text: str
    size: float = 12
    bold: bool = False
    colour: str = INK
    anchor: str = "start"


Shape = Box | Circle | Arrow | Text


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on a card, from back to front."""

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]

    @classmethod
    def around(cls, title: str, shapes: Sequence[Shape]) -> Drawing:
        """Returns a card with a margin around the shapes."""
        left, top, right, bottom = bounds(shapes)
        width = math.ceil(right - left + 2 * _MARGIN)
        height = math.ceil(bottom - top + 2 * _MARGIN)
        card = Box(0.5, 0.5, width - 1, height - 1, PAPER, CARD_EDGE, radius=10)
        moved = shift(shapes, _MARGIN - left, _MARGIN - top)
        return cls(title, width, height, (card, *moved))

    def svg(self) -> str:
        """Returns the drawing as the text of an SVG file."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{self.width}" '
            f'height="{self.height}" viewBox="0 0 {self.width} {self.height}" '
            f'font-family="{_FONT}" stroke-linejoin="round">\n'
            f"<title>{escape(self.title)}</title>\n"
            + "\n".join(map(_svg, self.shapes))
            + "\n</svg>\n"
        )

    def png(self) -> bytes:
        """Returns the drawing as the content of a PNG file."""
        from PIL import Image, ImageDraw

        sharpness = max(1.0, min(_SHARPNESS, _PNG_WIDTH / self.width))
        size = (round(self.width * sharpness), round(self.height * sharpness))
        image = Image.new("RGB", (size[0] * _SMOOTHING, size[1] * _SMOOTHING), PAPER)
        pen = ImageDraw.Draw(image)
        for shape in self.shapes:
            _paint(pen, shape, sharpness * _SMOOTHING)
        file = io.BytesIO()
        image.resize(size, Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()


def shift(shapes: Iterable[Shape], right: float, down: float) -> list[Shape]:
    """Returns the shapes at another place."""
    return [_shifted(shape, right, down) for shape in shapes]


def _shifted(shape: Shape, right: float, down: float) -> Shape:
    if isinstance(shape, Arrow):
        return replace(shape, points=tuple((x + right, y + down) for x, y in shape.points))
    return replace(shape, x=shape.x + right, y=shape.y + down)


def beside(groups: Iterable[Sequence[Shape]], gap: float) -> list[Shape]:
    """Returns groups of shapes moved beside each other, their tops at 0."""
    shapes: list[Shape] = []
    for group in groups:
        left, top, _, _ = bounds(group)
        shapes += shift(group, (bounds(shapes)[2] + gap if shapes else 0.0) - left, -top)
    return shapes


def below(groups: Iterable[Sequence[Shape]], gap: float) -> list[Shape]:
    """Returns groups of shapes moved below each other, their left edges at 0."""
    shapes: list[Shape] = []
    for group in groups:
        left, top, _, _ = bounds(group)
        shapes += shift(group, -left, (bounds(shapes)[3] + gap if shapes else 0.0) - top)
    return shapes


def bounds(shapes: Iterable[Shape]) -> Bounds:
    """Returns the edges of the smallest rectangle around the shapes."""
    lefts, tops, rights, bottoms = zip(*map(_bounds, shapes), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _bounds(shape: Shape) -> Bounds:
    if isinstance(shape, Arrow):
        xs, ys = zip(*shape.points, *(_head(shape.points) if shape.head else ()), strict=True)
        return min(xs), min(ys), max(xs), max(ys)
    if isinstance(shape, Circle):
        x, y, radius = shape.x, shape.y, shape.radius
        return x - radius, y - radius, x + radius, y + radius
    if isinstance(shape, Box):
        return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    width = text_width(shape.text, shape.size, bold=shape.bold)
    left = shape.x - {"start": 0.0, "middle": width / 2, "end": width}[shape.anchor]
    return left, shape.y - 0.55 * shape.size, left + width, shape.y + 0.55 * shape.size


def one_line(text: str) -> str:
    r"""Returns a text as one line, with the characters that XML cannot hold written out.

    >>> one_line("a\nb \x07")
    'a b \\x07'
    """
    line = visible(text.replace("\n", " "))
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), line)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Returns the width that a text needs in Helvetica and fonts like it, at most."""
    return size * sum(map(_advance, text)) * (1.07 if bold else 1.0)


def _advance(character: str) -> float:
    """Width of a character in ems, rounded up to one of a few classes."""
    if character in " .,:;'|!ijl/()[]ft-":
        return 0.3 if character != "-" else 0.36
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF" or character in "mMW@%w":
        return 1.0 if not character.isascii() else 0.88
    return 0.585 if character.isascii() and not character.isupper() else 0.75


def _head(points: Sequence[Point], length: float = 7, half_width: float = 3.5) -> list[Point]:
    """Returns the corners of an arrowhead: its tip and the two ends of its foot."""
    (x0, y0), (x1, y1) = points[-2:]
    distance = math.hypot(x1 - x0, y1 - y0) or 1.0
    dx, dy = (x1 - x0) / distance, (y1 - y0) / distance
    x, y = x1 - length * dx, y1 - length * dy
    across_x, across_y = -half_width * dy, half_width * dx
    return [(x1, y1), (x + across_x, y + across_y), (x - across_x, y - across_y)]


def _shaft(arrow: Arrow, length: float = 5) -> list[Point]:
    """Returns the points of the line, which ends inside the arrowhead and not at its tip."""
    if not arrow.head:
        return list(arrow.points)
    (x0, y0), (x1, y1) = arrow.points[-2:]
    part = 1 - length / (math.hypot(x1 - x0, y1 - y0) or length)
    return [*arrow.points[:-1], (x0 + part * (x1 - x0), y0 + part * (y1 - y0))]


def _svg(shape: Shape) -> str:
    if isinstance(shape, Box):
        return (
            f'<rect x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" '
            f'height="{shape.height:g}" rx="{shape.radius:g}" fill="{shape.fill}" '
            f'stroke="{shape.edge}"/>'
        )
    if isinstance(shape, Circle):
        return (
            f'<circle cx="{shape.x:g}" cy="{shape.y:g}" r="{shape.radius:g}" '
            f'fill="{shape.fill}" stroke="{shape.edge}"/>'
        )
    if isinstance(shape, Text):
        anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
        weight = ' font-weight="bold"' if shape.bold else ""
        return (
            f'<text x="{shape.x:g}" y="{shape.y + 0.35 * shape.size:g}" '
            f'font-size="{shape.size:g}" fill="{shape.colour}"{anchor}{weight}>'
            f"{escape(shape.text)}</text>"
        )
    line, head = (
        " ".join(f"{x:g},{y:g}" for x, y in points)
        for points in (_shaft(shape), _head(shape.points))
    )
    polyline = f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="1.3"/>'
    return polyline + (f'<polygon points="{head}" fill="{LINE}"/>' if shape.head else "")


def _paint(pen: ImageDraw, shape: Shape, scale: float) -> None:
    if isinstance(shape, Arrow):
        line, head = (
            [(x * scale, y * scale) for x, y in points]
            for points in (_shaft(shape), _head(shape.points))
        )
        pen.line(line, LINE, round(1.3 * scale), "curve")
        if shape.head:
            pen.polygon(head, LINE)
        return
    x, y, edge = shape.x * scale, shape.y * scale, round(scale)
    if isinstance(shape, Box):
        corner = (x + shape.width * scale, y + shape.height * scale)
        pen.rounded_rectangle([(x, y), corner], shape.radius * scale, shape.fill, shape.edge, edge)
    elif isinstance(shape, Circle):
        radius = shape.radius * scale
        corners = [(x - radius, y - radius), (x + radius, y + radius)]
        pen.ellipse(corners, shape.fill, shape.edge, edge)
    else:
        anchor = {"start": "lm", "middle": "mm", "end": "rm"}[shape.anchor]
        stroke = round(0.02 * shape.size * scale) if shape.bold else 0
        font = font_for(shape.text, shape.size * scale)
        pen.text((x, y), shape.text, shape.colour, font, anchor, stroke_width=stroke)
