"""Terminal columns: how many a text takes, and tables that fit.

On a terminal, cells of text are wrapped, and columns for which there is still no room are left out
and counted. Nothing is wrapped or left out in a pipe or a file, whatever COLUMNS says.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

GAP = 2
"""Spaces between two columns."""
MIN_WRAPPED = 24
"""Columns of text get no narrower than this: wrapped words would read badly."""


def text_cells(text: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def terminal_width() -> int | None:
    """Returns the columns of the terminal that standard output is, or None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Returns the width of each column; a cell may have several lines."""
    return [
        max(text_cells(line) for cell in column for line in cell.split("\n"))
        for column in zip(*rows, strict=True)
    ]


def fit(rows: Sequence[Sequence[str]], align: str, width: int) -> list[list[str]]:
    """Returns the first columns of a table, as many as fit, with cells of text wrapped.

    Args:
      rows: the cells of each row, the header first.
      align: `l` or `r` for each column; only cells of `l` columns are wrapped.
      width: columns of the terminal; the first column of the table stays in any case.
    """
    widths = column_widths(rows)
    least = [
        _least_width(column, wide, width) if side == "l" else wide
        for column, wide, side in zip(zip(*rows, strict=True), widths, align, strict=True)
    ]
    count = len(widths)
    while count > 1 and _total(least[:count]) > width:
        count -= 1
    widths, least = widths[:count], least[:count]
    while _total(widths) > width and widths != least:
        widest = max(range(count), key=lambda index: (widths[index] > least[index], widths[index]))
        widths[widest] -= 1
    return [
        ["\n".join(wrap(cell, wide)) for cell, wide in zip(row, widths, strict=False)]
        for row in rows
    ]


def wrap(text: str, width: int, *, break_words: bool = True) -> list[str]:
    """Returns the lines of a text, none wider than `width`, broken at spaces if possible.

    >>> wrap("as wide as a house", 9)
    ['as wide', 'as a', 'house']
    """
    lines = []
    for line in text.split("\n"):
        if text_cells(line) <= width:
            lines.append(line)
        else:
            lines += _wrapped_line(line, width, break_words)
    return lines


def _wrapped_line(text: str, width: int, break_words: bool) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if text_cells(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        line = word
        while break_words and text_cells(line) > width:
            cut = next(
                n for n in range(len(line), 0, -1) if n == 1 or text_cells(line[:n]) <= width
            )
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line


def _least_width(cells: Sequence[str], widest: int, width: int) -> int:
    """Returns how narrow a column of text may get: words stay whole, up to half the terminal."""
    longest_word = max((text_cells(word) for cell in cells for word in cell.split()), default=0)
    header = text_cells(cells[0])
    return min(widest, max(min(longest_word, width // 2), header, MIN_WRAPPED))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
