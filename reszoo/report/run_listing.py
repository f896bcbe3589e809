"""All runs as one table: for a terminal, as CSV, as LaTeX and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from reszoo.report.run_rows import RunRow, SeedSpread
from reszoo.report.text import MISSING, format_interval, format_percent, format_si, table

SORTS: dict[str, tuple[Callable[[RunRow], Any], bool]] = {
    "accuracy": (lambda row: row.accuracy, True),
    "network": (lambda row: row.network, False),
    "data": (lambda row: row.data, False),
    "recipe": (lambda row: row.recipe, False),
    "parameters": (lambda row: row.parameters, False),
    "macs": (lambda row: row.macs, False),
    "epochs": (lambda row: row.epochs, False),
    "minutes": (lambda row: row.minutes, False),
    "seed": (lambda row: row.seed, False),
    "name": (lambda row: row.name, False),
}
"""What rows may be sorted by: their value, and whether the largest comes first."""
_HEADER = (
    *("run", "network", "data", "recipe", "accuracy", "95 % interval", "split", "parameters"),
    *("multiply-adds", "epochs", "minutes", "seed", "state"),
)
_ALIGN = "llllrrlrrrrrl"
_SPREAD_HEADER = (
    *("network", "data", "recipe", "seeds", "mean", "std, points", "least", "most", "split"),
)
_FIELDS = (
    *("path", "network", "spec", "data", "recipe", "seed", "state", "epochs", "planned_epochs"),
    *("minutes", "parameters", "macs", "split", "accuracy", "interval95_low", "interval95_high"),
    "problem",
)


def sorted_rows(rows: Sequence[RunRow], field: str) -> list[RunRow]:
    """Returns rows in the order of a field of `SORTS`; what is missing comes last."""
    value, largest_first = SORTS[field]
    known = [row for row in rows if value(row) is not None]
    missing = [row for row in rows if value(row) is None]
    return sorted(known, key=value, reverse=largest_first) + missing


def runs_text(rows: Sequence[RunRow], spreads: Sequence[SeedSpread]) -> str:
    """Returns a table of runs, of their spread over seeds, and what is wrong with broken ones."""
    sections = [table(_HEADER, [_cells(row) for row in rows], _ALIGN)]
    if spreads:
        cells = [_spread_cells(spread) for spread in spreads]
        sections.append(table(_SPREAD_HEADER, cells, "lllrrrrrl"))
    sections += [f"broken: {row.path}: {row.problem}" for row in rows if row.is_broken]
    return "\n\n".join(sections)


def runs_csv(rows: Sequence[RunRow]) -> str:
    """Returns a line per run with unrounded values; what is missing is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(run_values, rows))
    return file.getvalue()


def runs_json(rows: Sequence[RunRow], spreads: Sequence[SeedSpread]) -> dict[str, Any]:
    """Returns runs and spreads as JSON values."""
    return {"runs": [run_values(row) for row in rows], "seeds": [asdict(each) for each in spreads]}


def runs_latex(rows: Sequence[RunRow], spreads: Sequence[SeedSpread]) -> str:
    r"""Returns a `tabular` in the style of booktabs.

    Runs that differ in nothing but the seed are one line, with mean and standard deviation.
    """
    grouped = {spread.twins: spread for spread in spreads}
    lines = [
        r"\begin{tabular}{llrrr}",
        r"\toprule",
        r"network & data & parameters & multiply-adds & accuracy (\%) \\",
        r"\midrule",
    ]
    written = set()
    for row in rows:
        spread = grouped.get(row.twins or "")
        if row.is_broken or row.twins in written:
            continue
        if spread is not None:
            written.add(row.twins)
        cells = [
            *(_latex(text or MISSING) for text in (row.network, row.data)),
            MISSING if row.parameters is None else f"{row.parameters:,}",
            MISSING if row.macs is None else format_si(row.macs),
            _latex_accuracy(row, spread),
        ]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _cells(row: RunRow) -> tuple[str, ...]:
    interval = row.interval and format_interval(row.interval)
    return (
        str(row.path),
        row.network or MISSING,
        row.data or MISSING,
        row.recipe or MISSING,
        format_percent(row.accuracy),
        interval or MISSING,
        row.split or MISSING,
        MISSING if row.parameters is None else f"{row.parameters:,}",
        MISSING if row.macs is None else format_si(row.macs),
        MISSING if row.epochs is None else str(row.epochs),
        MISSING if row.minutes is None else f"{row.minutes:.1f}",
        MISSING if row.seed is None else str(row.seed),
        row.state,
    )


def _spread_cells(spread: SeedSpread) -> tuple[str, ...]:
    return (
        spread.network,
        spread.data,
        spread.recipe,
        str(len(spread.seeds)),
        format_percent(spread.mean),
        f"{100 * spread.deviation:.2f}",
        format_percent(spread.least),
        format_percent(spread.most),
        spread.split,
    )


def run_values(row: RunRow) -> dict[str, Any]:
    """Returns the unrounded values of a row by the names of the CSV columns."""
    low, high = row.interval or (None, None)
    own = {"path": str(row.path), "interval95_low": low, "interval95_high": high}
    return {name: own[name] if name in own else getattr(row, name) for name in _FIELDS}


def _latex_accuracy(row: RunRow, spread: SeedSpread | None) -> str:
    if spread is not None:
        return rf"${100 * spread.mean:.2f} \pm {100 * spread.deviation:.2f}$"
    return MISSING if row.accuracy is None else f"{100 * row.accuracy:.2f}"


def _latex(text: str) -> str:
    r"""Escapes what LaTeX would read as a command.

    >>> _latex("resnet8_digits 5%")
    'resnet8\\_digits 5\\%'
    """
    words = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(words.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)
