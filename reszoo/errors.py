"""Errors with a message for a person: raised in every package, printed by the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters except line breaks, and those that reverse the direction of a text."""


def visible(text: str) -> str:
    r"""Returns a text whose control characters are written out, so that no terminal obeys them.

    >>> print(visible("\x1b[31mred"))
    \x1b[31mred
    """
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a user's file; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        position = (self.line, self.column) if self.line is not None else ()
        return ":".join([self.file, *(str(number) for number in position if number is not None)])


class ReszooError(Exception):
    """Base of all errors. The message has a line for each argument that is set.

    Args:
      what: the problem, in one line.
      where: position in a file, or the option at fault.
      expected: the valid input.
      found: the actual input.
      hint: what to do about it.
    """

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
        self.others: tuple[ReszooError, ...] = ()
        """The other problems of the same input, if several were found at once."""
        super().__init__(str(self))

    def changed(self, **fields: Any) -> Self:
        """Returns the same error with other fields, such as another place."""
        names = ("what", "where", "expected", "found", "hint")
        return type(self)(**{name: getattr(self, name) for name in names} | fields)

    def __str__(self) -> str:
        details = (
            ("where", self.where),
            ("expected", self.expected),
            ("found", self.found),
            ("do", self.hint),
        )
        lines = [self.what] + [f"  {label + ':':<10}{text}" for label, text in details if text]
        return visible("\n".join(lines))


class UserError(ReszooError):
    """The user's input is invalid. Exit code 2."""

    exit_code = 2


class MachineError(ReszooError):
    """The machine is at fault: disk, memory, permissions or network. Exit code 1."""


class GateError(ReszooError):
    """A check of a result failed, and the result was not written. Exit code 1."""


class RestartError(ReszooError):
    """The job must be restarted, and resumes where it stopped. Exit code 75 (EX_TEMPFAIL)."""

    exit_code = 75


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's message, at most 200 characters long.

    TensorFlow ends that line with a colon where only the last line names the cause: then the last.
    An exception without a message is represented by the name of its class.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return visible(lines[-1] if lines[0].endswith(":") else lines[0])[:200]


def nearest(word: str, choices: Iterable[str], count: int = 3) -> list[str]:
    """Returns up to `count` choices similar to `word`, best first; those that it begins come first.

    >>> nearest("plain8", ["plain18", "plain8_digits", "plain56"], count=2)
    ['plain8_digits', 'plain18']
    """
    choices = list(choices)
    longer = [choice for choice in choices if f"{choice}_".startswith(f"{word}_")]
    similar = difflib.get_close_matches(word, choices, n=count, cutoff=0.5)
    return list(dict.fromkeys([*sorted(longer, key=len), *similar]))[:count]


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    """Returns a hint that names similar choices, or None when no choice is close.

    >>> did_you_mean("resent50", ["resnet50", "plain34"])
    "did you mean 'resnet50'?"
    """
    close = [f"'{choice}'" for choice in nearest(word, choices)]
    return f"did you mean {' or '.join(close)}?" if close else None
