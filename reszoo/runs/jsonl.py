"""Logs of JSON lines: reading, and rewriting as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reszoo.atomic_files import write_text
from reszoo.errors import Place, UserError, first_line
from reszoo.json_text import parse_json
from reszoo.regular_files import require_regular_file, special_kind


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a log, without a last line that a power cut left unfinished.

    Raises:
      UserError: a finished line is not a JSON object, or the log cannot be read.
    """
    require_regular_file(path)
    try:
        *lines, _unfinished = _read(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(
            f"cannot read the log {path}",
            found=error.strerror or first_line(error),
            hint=f"put the file {path.name} back, from a copy of the folder",
        ) from error
    return [_parse(path, number, line) for number, line in enumerate(lines, 1)]


def read_valid_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a log that nothing depends on; damaged lines are left out."""
    if special_kind(path) or not path.is_file():
        return []
    values = (_value(line) for line in _read(path))
    return [value for value in values if isinstance(value, dict)]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Replaces a log, completely or not at all."""
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def _read(path: Path) -> list[str]:
    """Returns the lines, the last of which is empty in a whole log."""
    return path.read_text(encoding="utf-8", errors="replace").split("\n")


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    value = _value(line)
    if not isinstance(value, dict):
        raise UserError(
            "a log is damaged",
            where=Place(str(path), number),
            expected="one JSON object per line",
            found=line[:60],
            hint=f"delete line {number} of {path}",
        )
    return value


def _value(line: str) -> Any:
    try:
        return parse_json(line)
    except ValueError:
        return None
