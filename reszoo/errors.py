"""What went wrong, said once and clearly: the errors every floor raises and the command line
prints."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file a user wrote. Lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        position = (self.line, self.column) if self.line is not None else ()
        return ":".join([self.file, *(str(number) for number in position if number is not None)])


class ReszooError(Exception):
    """An error with a message for a person: what, where, expected, found, what to do next."""

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: Place | str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        details = (
            ("where", self.where),
            ("expected", self.expected),
            ("found", self.found),
            ("do", self.hint),
        )
        lines = [self.what] + [f"  {label + ':':<10}{text}" for label, text in details if text]
        return "\n".join(lines)


class UserError(ReszooError):
    """The user's input cannot be used as it is. Exit code 2."""

    exit_code = 2


class MachineError(ReszooError):
    """The machine is at fault: disk, memory, permissions, network. Exit code 1."""


class GateError(ReszooError):
    """A check that guards a result failed, so the result was not written. Exit code 1."""


class RestartError(ReszooError):
    """The job should be started again and will go on where it stopped. Exit code 75
    (EX_TEMPFAIL)."""

    exit_code = 75


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's message, at most 200 characters long.

    TensorFlow ends that line with a colon where only the last line names the cause: then the last.
    An exception without a message is represented by the name of its class.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return (lines[-1] if lines[0].endswith(":") else lines[0])[:200]


def nearest(word: str, choices: Iterable[str], count: int = 3) -> list[str]:
    """The choices most like `word`, best first; empty when none is close."""
    return difflib.get_close_matches(word, list(choices), n=count, cutoff=0.5)


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    """A hint such as "did you mean 'resnet50' or 'resnet56'?", or None when nothing is close."""
    close = [f"'{choice}'" for choice in nearest(word, choices)]
    return f"did you mean {' or '.join(close)}?" if close else None
