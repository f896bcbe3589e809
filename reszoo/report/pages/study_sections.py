"""Studies on a page: summary, figure and table of each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reszoo.errors import first_line
from reszoo.json_text import parse_json
from reszoo.report.pages.rendering import PageTable, Section, picture_address
from reszoo.report.text import format_command
from reszoo.runs import Run

STUDY = "study.json"
_MOST_ROWS, _MOST_FIGURES = 200, 6
_MOST_BYTES = 1_000_000
"""Of a figure; the PNG beside a larger SVG is shown in its place."""


def studies_section(run: Run) -> Section:
    """Returns the studies in RUN/study/, or the command that makes one."""
    folders = sorted(path.parent for path in (run.path / "study").glob(f"*/{STUDY}"))
    command = format_command("study", "responses", run.path)
    values = {"studies": [_study(folder) for folder in folders], "command": command}
    return Section("Studies", "studies.html", values)


def study_section(folder: Path) -> Section:
    """Returns the section of a study's folder."""
    study = _study(folder)
    return Section(f"Study {study['name']}", "studies.html", {"studies": [study], "command": None})


def _study(folder: Path) -> dict[str, Any]:
    try:
        values = parse_json((folder / STUDY).read_bytes())
        name = str(values.get("name") or values.get("study") or folder.name)
        rows = list(_csv(folder / "table.csv"))
        return {
            "name": name,
            "summary": _text(folder / "summary.md"),
            "figures": list(_figures(folder)),
            "table": PageTable(rows[0], rows[1 : _MOST_ROWS + 1], "l" * len(rows[0]))
            if rows
            else None,
            "left_out": max(0, len(rows) - 1 - _MOST_ROWS),
            "problem": None,
        }
    except (OSError, ValueError, AttributeError, csv.Error) as error:
        problem = f"{folder / STUDY} cannot be read: {first_line(error)}"
        return {"name": folder.name, "problem": problem}


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.is_file() else ""


def _figures(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields name and address of each figure, the main one first, as images: no script runs."""
    names = sorted({path.stem for path in (*folder.glob("*.svg"), *folder.glob("*.png"))})
    for name in sorted(names, key=lambda name: name != "figure")[:_MOST_FIGURES]:
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        if svg.is_file() and svg.stat().st_size <= _MOST_BYTES:
            yield name, picture_address(svg.read_bytes(), "svg+xml")
        elif png.is_file() and png.stat().st_size <= _MOST_BYTES:
            yield name, picture_address(png.read_bytes(), "png")


def _csv(path: Path) -> Iterator[list[str]]:
    if path.is_file():
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.reader(file):
                yield [_rounded(value) for value in row]


def _rounded(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    return value if number.is_integer() else f"{number:.4g}"
