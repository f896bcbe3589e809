"""Every error of reszoo that a test provokes says what to do about it.

What is judged is each error that code of reszoo makes, not only those that reach `report_failure`
or `pytest.raises`: an error may leave any public function of the library, tests call functions of
every floor, and a test that looks at the message alone would let an empty `do:` through. Two kinds
are steps on the way and never seen: an error that `changed` replaced by a copy, and what a test
makes itself. Errors of processes that a test starts are not recorded.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reszoo.errors import ReszooError

HOLLOW = re.compile(
    r"(please )?(check|correct|fix|verify|change|repair)( the| this| your| its)? "
    r"(path|value|file|name|input|option|spec|folder|field|permissions|file's permissions"
    r"|folder's permissions)\.?"
    r"|is this the right \w+\??.*|try again( later)?|correct it|nothing was written|invalid.*|\s*",
    re.IGNORECASE,
)
"""Hints that say no more than the error itself."""


def is_hollow(hint: str | None) -> bool:
    """Whether a hint is missing or says nothing that can be carried out."""
    return hint is None or HOLLOW.fullmatch(hint) is not None


@contextmanager
def recorded() -> Iterator[list[ReszooError]]:
    """Yields the list of the errors that reszoo makes inside, without those that were replaced."""
    made: list[ReszooError] = []
    make, change = ReszooError.__init__, ReszooError.changed

    @functools.wraps(make)
    def recording(self, *arguments, **fields):
        make(self, *arguments, **fields)
        if sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] == "reszoo":
            made.append(self)

    @functools.wraps(change)
    def replacing(self, **fields):
        made[:] = [error for error in made if error is not self]
        return change(self, **fields)

    ReszooError.__init__, ReszooError.changed = recording, replacing
    try:
        yield made
    finally:
        ReszooError.__init__, ReszooError.changed = make, change


def hollow(errors: list[ReszooError]) -> list[str]:
    """Returns the text of each error whose hint is missing or hollow."""
    return [f"{type(error).__name__}: {error}" for error in errors if is_hollow(error.hint)]
