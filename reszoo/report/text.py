"""How do numbers and tables look in plain text?"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

MISSING = "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Aligned columns under a header and a line.

    Args:
      header: the columns' names.
      rows: their cells; a cell may hold several lines, which stand under each other.
      align: `l` or `r` for each column.
    """
    lines = [line for row in rows for line in _lines_of(row)]
    widths = [max(len(line[i]) for line in [list(header), *lines]) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join(_join(line, widths, align) for line in [header, rule, *lines])


def facts(pairs: Sequence[tuple[str, str]], indent: str = "  ") -> str:
    """`label  value` lines with the values under each other."""
    width = max((len(label) for label, _ in pairs), default=0)
    return "\n".join(f"{indent}{label:<{width}}  {value}" for label, value in pairs)


def count(number: int) -> str:
    """25557032 as `25,557,032`."""
    return f"{number:,}"


def short(number: float, digits: int = 3) -> str:
    """4089184256 as `4.09 G`, or as `4.089 G` with four digits."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.{max(digits, 3)}g} {unit}"
    return f"{number:.0f}"


def size(number: int) -> str:
    """Bytes: 25636712 as `25.6 MB` (decimal units)."""
    return f"{short(number)}B" if number >= 1000 else f"{number} B"


def percent(share: float, digits: int = 2) -> str:
    """0.9943 as `99.43 %`."""
    return f"{100 * share:.{digits}f} %"


def shape(sides: Sequence[int]) -> str:
    """(224, 224, 3) as `224x224x3`."""
    return "x".join(str(side) for side in sides)


def command(*words: str | os.PathLike[str]) -> str:
    """A command of reszoo as a shell takes it, whatever is in a path."""
    return shlex.join(["reszoo", *(os.fspath(word) for word in words)])


def _lines_of(row: Sequence[str]) -> list[list[str]]:
    cells = [cell.split("\n") for cell in row]
    height = max(len(cell) for cell in cells)
    return [[cell[i] if i < len(cell) else "" for cell in cells] for i in range(height)]


def _join(line: Sequence[str], widths: Sequence[int], align: str) -> str:
    cells = [
        cell.rjust(width) if side == "r" else cell.ljust(width)
        for cell, width, side in zip(line, widths, align, strict=True)
    ]
    return "  ".join(cells).rstrip()
