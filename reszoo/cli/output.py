"""Output of commands: JSON, notes, and the command that usually follows."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from reszoo.errors import CONTROL
from reszoo.report.text import facts, format_command


def print_json(value: Any) -> None:
    """Prints indented JSON without control characters; NaN is refused, as it is not valid JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    # JSON leaves those above 31 as they are, and the stream's own way to write them is not JSON's.
    print(CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


@contextlib.contextmanager
def print_warnings() -> Iterator[None]:
    """Prints warnings as notes on stderr; those of reszoo are always shown."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning, module=r"reszoo\.")
        warnings.showwarning = show
        yield


def print_next(*words: str | os.PathLike[str]) -> None:
    """Prints the command that usually follows, on a terminal only: pipes get only results."""
    if sys.stdout.isatty():
        print("\n" + facts([("next", format_command(*words))]))


def command_after(measured: str) -> list[str]:
    """Returns what usually follows a measurement: `export`, or `inspect` of a .tflite file."""
    from reszoo.tflite.contract_file import find_tflite

    if find_tflite(measured) is not None:
        return ["inspect", measured]
    return ["export", measured, "--target", "mobile-int8"]


def print_saved_network(path: str | None) -> None:
    """Prints where a network was saved and the command that trains it; nothing for None."""
    if path:
        print(f"saved {path}")
        print_next("train", "--from", path)
