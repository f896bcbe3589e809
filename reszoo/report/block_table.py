"""Table of one kind of block: the numbers that differ from stage to stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reszoo.report.block_kinds import EqualBlocks, Kind
from reszoo.report.block_picture import COLOURS, path_of
from reszoo.report.drawing import FAINT, Box, Shape, Text, below, text_width
from reszoo.report.text import format_shape

_LINE, _SIZE, _GAP = 17.0, 11.5, 16.0
_COLUMNS = 6
"""A table of more places continues below."""
_DRAWN_FILL = "#f0f4f8"
"""Background of the place whose numbers the picture has."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One layer, or the shape of x or y, and its numbers in each place."""

    name: str
    role: str
    cells: tuple[str, ...]


def table_rows(places: Sequence[EqualBlocks]) -> list[TableRow]:
    """Returns the shapes of x and y, and between them each layer whose numbers differ."""
    x = TableRow("x", "", tuple(format_shape(place.entry) for place in places))
    y = TableRow("y", "", tuple(format_shape(place.exit) for place in places))
    layers = []
    for row, labels in zip(
        places[0].rows, zip(*(place.labels for place in places), strict=True), strict=True
    ):
        cells = tuple(numbers for _, numbers in labels)
        if len(set(cells)) > 1:
            layers.append(TableRow(labels[0][0], path_of(row), cells))
    return [x, *layers, y]


def draw_tables(kind: Kind) -> list[Shape]:
    """Draws the table; the first column has the numbers that the picture has."""
    rows = table_rows(kind.places)
    names = max(text_width(row.name, _SIZE) for row in rows) + _GAP
    count = len(kind.places)
    step = math.ceil(count / math.ceil(count / _COLUMNS))
    parts = [
        _draw_columns(kind.places, rows, range(first, min(first + step, count)), names)
        for first in range(0, count, step)
    ]
    return below(parts, 14)


def _draw_columns(
    places: Sequence[EqualBlocks], rows: Sequence[TableRow], columns: range, names: float
) -> list[Shape]:
    """Draws the names of the rows, and some of the columns."""
    height = _LINE * (len(rows) + 2)
    shapes: list[Shape] = []
    for line, row in enumerate(rows, start=2):
        y = _LINE * line
        if row.role in COLOURS:
            shapes.append(Box(0, y - 5, 10, 10, *COLOURS[row.role], radius=2))
        shapes.append(Text(_GAP, y, row.name, _SIZE, colour=FAINT))
    x = _GAP + names
    for column in columns:
        words = [f"stage {places[column].stage}", places[column].blocks]
        words += [row.cells[column] for row in rows]
        width = max(text_width(word, _SIZE) for word in words) + _GAP
        if column == 0:
            shapes.append(Box(x, -_LINE / 2 - 3, width, height + 6, _DRAWN_FILL, _DRAWN_FILL))
        for line, word in enumerate(words):
            text = Text(x + width / 2, _LINE * line, word, _SIZE, line == 0, anchor="middle")
            shapes.append(text)
        x += width
    return shapes
