"""Small spec files for the tests, and how a test reads what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from reszoo.errors import Place, UserError
from reszoo.spec import resolve

SPEC = """\
name: tiny
input: {shape: [8, 8, 1]}
stem: {filters: 4}
block:
  transform: basic
  shortcut: projection
stages:
  - {depth: 1, width: 4}
  - depth: 2
    width: 8
    stride: 2
classes: 3
"""


def write(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def refusal(file: str, *overrides: str, kind: str = "architecture") -> UserError:
    """The one error that reading the file ends in; it answers all five questions."""
    with pytest.raises(UserError) as caught:
        resolve(file, kind, overrides)
    error = caught.value
    assert error.exit_code == 2
    assert error.what and error.expected and error.found and error.hint, str(error)
    return error


def position(error: UserError) -> tuple[int | None, int | None]:
    assert isinstance(error.where, Place), str(error)
    return error.where.line, error.where.column
