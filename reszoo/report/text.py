"""Plain-text tables and number formats.

Tables are without colour and without trailing spaces. They fit a terminal (see
`reszoo.report.cells`), and in a pipe or a file they are as wide as their contents. Control
characters in them are written out. Of rich only `rich.cells` is used, which knows how many columns
a CJK character or an emoji takes: `rich.table` would cost `reszoo list` 180 ms of processor time.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from itertools import starmap, zip_longest

from reszoo.errors import visible
from reszoo.report.cells import (
    GAP,
    MIN_WRAPPED,
    column_widths,
    fit,
    terminal_width,
    text_cells,
    wrap,
)

MISSING = "-"
"""Stands for a value that does not exist."""


def heading(name: str, title: str | None, source: str | None = None) -> str:
    """Returns `name: title`, and the source on a line of its own."""
    first = f"{name}: {title}" if title else name
    return visible(f"{first}\n  {source}" if source else first)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Returns aligned columns under a header and a rule.

    >>> print(table(("class", "images"), [("cat", "7"), ("犬", "12")], "lr"))
    class  images
    -----  ------
    cat         7
    犬         12

    Args:
      header: the columns' names.
      rows: their cells; a cell may have several lines.
      align: `l` or `r` for each column.
    """
    cells = [[visible(cell) for cell in row] for row in (header, *rows)]
    note = []
    if room := terminal_width():
        cells = fit(cells, align, room)
        if left_out := header[len(cells[0]) :]:
            note = wrap(_left_out_text(left_out), room)
    widths = column_widths(cells)
    rule = ["-" * width for width in widths]
    return "\n".join([*_align([cells[0], rule, *cells[1:]], widths, align), *note])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Returns a table in Markdown; line breaks in cells become spaces, and `|` is escaped.

    >>> print(markdown_table(("field", "values"), [("name", "RUN|FILE")]))
    | field | values |
    |---|---|
    | name | RUN\|FILE |
    """
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in (header, *cells)]
    return "\n".join([lines[0], f"|{'---|' * len(header)}", *lines[1:]])


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Returns indented `label  value` lines with aligned values.

    On a terminal, values are wrapped at spaces; commands stay whole, so that they can be copied.
    """
    cells = [["", *map(visible, pair)] for pair in pairs]
    if room := terminal_width():
        room -= sum(column_widths(cells)[:2]) + 2 * GAP
        for row in cells:
            if not row[2].startswith("reszoo "):
                row[2] = "\n".join(wrap(row[2], max(room, MIN_WRAPPED), break_words=False))
    return "\n".join(_align(cells, column_widths(cells), "lll"))


def _left_out_text(names: Sequence[str]) -> str:
    columns = f"{len(names)} more column{'s' if len(names) > 1 else ''} ({', '.join(names)})"
    return f"... and {columns}; a wider terminal or a pipe shows all"


def format_si(number: float, digits: int = 3) -> str:
    """Returns a number with an SI prefix.

    >>> format_si(4_089_184_256), format_si(4_089_184_256, digits=4)
    ('4.09 G', '4.089 G')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.{max(digits, 3)}g} {unit}"
    return f"{number:.0f}"


def format_bytes(number: int) -> str:
    """Returns 25636712 as `25.6 MB` (decimal units)."""
    return f"{format_si(number)}B" if number >= 1000 else f"{number} B"


def format_percent(share: float | None, digits: int = 2) -> str:
    """Returns 0.9943 as `99.43 %`, and None as `MISSING`."""
    return MISSING if share is None else f"{100 * share:.{digits}f} %"


def format_accuracy(accuracy: float, interval: Sequence[float]) -> str:
    """Returns an accuracy with the bounds of its 95 % confidence interval.

    >>> format_accuracy(0.9, (0.85, 0.94))
    '90.00 % (95 % interval 85.00 to 94.00 %)'
    """
    return f"{format_percent(accuracy)} (95 % interval {format_interval(interval)})"


def format_interval(interval: Sequence[float]) -> str:
    """Returns (0.85, 0.94) as `85.00 to 94.00 %`."""
    low, high = interval
    return f"{100 * low:.2f} to {format_percent(high)}"


def format_shape(sides: Sequence[int]) -> str:
    """Returns (224, 224, 3) as `224x224x3`."""
    return "x".join(str(side) for side in sides)


def format_command(*words: str | os.PathLike[str]) -> str:
    """Returns a command of reszoo, quoted for a shell."""
    return shlex.join(["reszoo", *(os.fspath(word) for word in words)])


def _align(rows: Sequence[Sequence[str]], widths: Sequence[int], align: str) -> list[str]:
    aligned = []
    for row in rows:
        for line in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
            padded = starmap(_pad, zip(line, widths, align, strict=False))
            aligned.append((" " * GAP).join(padded).rstrip())
    return aligned


def _pad(cell: str, width: int, side: str) -> str:
    padding = " " * (width - text_cells(cell))
    return padding + cell if side == "r" else cell + padding
