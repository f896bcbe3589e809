"""How a log of JSON lines is read and shortened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reszoo.atomic_files import write_text
from reszoo.errors import Place, UserError


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a log; a last line that a power cut left half written is not one yet.

    Raises:
      UserError: a whole line is not a JSON object.
    """
    if not path.exists():
        return []
    *whole, _half = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [_parse(path, number, line) for number, line in enumerate(whole, 1)]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Writes a log anew, whole or not at all."""
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(
            "a log is damaged",
            where=Place(str(path), number),
            expected="one JSON object per line",
            found=line[:60],
        )
    return value
