"""Plain-text tables and number formats.

Tables are as wide as their contents, without colour and without trailing spaces, so that a pipe
gets what a terminal shows. Control characters in them are written out. Of rich only `rich.cells` is
used, which knows how many columns a CJK character or an emoji takes: `rich.table` would cost
`reszoo list` 180 ms of processor time.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from itertools import starmap, zip_longest

from reszoo.errors import visible

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
    lines = [header]
    for row in rows:
        lines += zip_longest(*(visible(cell).split("\n") for cell in row), fillvalue="")
    widths = _column_widths(lines)
    lines.insert(1, ["-" * width for width in widths])
    return _align(lines, widths, align)


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
    """Returns indented `label  value` lines with aligned values."""
    lines = [("", *map(visible, pair)) for pair in pairs]
    return _align(lines, _column_widths(lines), "lll")


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
    low, high = interval
    bounds = f"{100 * low:.2f} to {format_percent(high)}"
    return f"{format_percent(accuracy)} (95 % interval {bounds})"


def format_shape(sides: Sequence[int]) -> str:
    """Returns (224, 224, 3) as `224x224x3`."""
    return "x".join(str(side) for side in sides)


def format_command(*words: str | os.PathLike[str]) -> str:
    """Returns a command of reszoo, quoted for a shell."""
    return shlex.join(["reszoo", *(os.fspath(word) for word in words)])


def text_cells(text: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _column_widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(text_cells, column)) for column in zip(*lines, strict=True)]


def _align(lines: Sequence[Sequence[str]], widths: Sequence[int], align: str) -> str:
    cells = (starmap(_pad, zip(line, widths, align, strict=True)) for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in cells)


def _pad(cell: str, width: int, side: str) -> str:
    padding = " " * (width - text_cells(cell))
    return padding + cell if side == "r" else cell + padding
