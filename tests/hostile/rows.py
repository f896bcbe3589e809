"""What the tables of hostile files share: a row, and makers of files."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


from reszoo.cli import main

FIXTURES = Path(__file__).parent.parent / "fixtures" / "v0_1"
NET = "name: net\nclasses: 2\ninput: {shape: [8, 8, 3]}\nstages: [{depth: 1, width: 4}]\n"
NEST = 100_000


BLUR = (FIXTURES / "blur.keras").read_bytes()


@dataclass(frozen=True, slots=True)
class Row:
    """A file, what reads it, and the result."""

    name: str
    file: str | bytes
    """Its path in the row's folder."""
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    """Returns what was read; a tuple is the words of a command."""
    expected: str
    """A regular expression: of the error if it begins with `error: `, else of what was read."""
    exit_code: int = 2
    """Of an error."""


def command(*words: str) -> Callable[[Path], object]:
    """Runs a command whose word `FILE` is the path, and returns what it prints."""

    def run(path: Path) -> object:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([os.fsdecode(path) if word == "FILE" else word for word in words])
        if code:
            raise CommandFailed(code, err.getvalue())
        return out.getvalue() + err.getvalue()

    return run


class CommandFailed(Exception):
    """A command's exit code and its message."""


def content(data: bytes | str | Callable[[], bytes]) -> Callable[[Path], object]:
    """Returns a maker that writes these bytes; large ones are made when they are needed."""

    def make(path: Path) -> None:
        written = data() if callable(data) else data
        path.write_bytes(written.encode() if isinstance(written, str) else written)

    return make


def zipped(*members: tuple[str, bytes | int]) -> Callable[[Path], object]:
    """Returns a maker of a compressed archive; a number stands for as many MiB of zeros."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members:
                with archive.open(name, "w") as member:
                    if isinstance(data, bytes):
                        member.write(data)
                    else:
                        for _ in range(data):
                            member.write(bytes(1 << 20))

    return make


def head(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def flipped(data: bytes, *places: float) -> bytes:
    """Bytes with a few of them changed, at shares of the length."""
    changed = bytearray(data)
    for place in places:
        changed[int(place * len(data))] ^= 0x55
    return bytes(changed)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def edit(**fields: Any) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


NESTED = content("[" * NEST)
