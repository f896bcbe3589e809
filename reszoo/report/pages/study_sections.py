"""Studies on a page: summary, figure and table of each."""

from __future__ import annotations

import csv
import re
import shlex
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
_HEADING = re.compile(r"\A# (.*)\n+")
_MOST_BYTES = 1_000_000
"""Of a figure; the PNG beside a larger SVG is shown in its place."""


def studies_section(run: Run) -> Section:
    """Returns the studies in RUN/study/, or the command that makes one."""
    folders = sorted(path.parent for path in (run.path / "study").glob(f"*/{STUDY}"))
    command = format_command("study", "responses", run.path)
    studies = [_study(folder) for folder in folders]
    headed = [{**study, "heading": study["name"]} for study in studies]
    return Section("Studies", "studies.html", {"studies": headed, "command": command})


def study_section(folder: Path, *, alone: bool) -> Section:
    """Returns the section of a study's folder; `alone` on a page that has the study's title."""
    study = _study(folder)
    values = {"studies": [{**study, "heading": None}], "command": None}
    return Section("Findings" if alone else study["name"], "studies.html", values)


def study_title(folder: Path) -> str:
    """Returns the title of a study, such as `Lesions of resnet20`; without one, its name."""
    try:
        values, heading = _values(folder), _HEADING.match(_text(folder / "summary.md"))
    except (OSError, ValueError):
        return f"Study {folder.resolve().name}"
    name = f"Study {values.get('study') or folder.resolve().name}"
    return str(values.get("title") or (heading[1] if heading else name))


def _study(folder: Path) -> dict[str, Any]:
    name = study_title(folder)
    try:
        values = _values(folder)
        rows = list(_csv(folder / "table.csv"))
        command = values.get("command")
        return {
            "name": name,
            "unfinished": values.get("state", "finished") != "finished",
            "command": shlex.join(map(str, command)) if isinstance(command, list) else None,
            "summary": _HEADING.sub("", _text(folder / "summary.md")),
            "figures": list(_figures(folder)),
            "table": PageTable(rows[0], rows[1 : _MOST_ROWS + 1], "l" * len(rows[0]))
            if rows
            else None,
            "left_out": max(0, len(rows) - 1 - _MOST_ROWS),
            "problem": None,
        }
    except (OSError, ValueError, csv.Error) as error:
        problem = f"{folder / STUDY} cannot be read: {first_line(error)}"
        return {"name": name, "problem": problem}


def _values(folder: Path) -> dict[str, Any]:
    values = parse_json((folder / STUDY).read_bytes())
    if not isinstance(values, dict):
        raise ValueError("it holds no mapping")
    return values


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
