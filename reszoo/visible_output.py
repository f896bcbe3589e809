r"""Standard output and error in which control characters of names and messages are written out.

A file, a class or a key may be called anything. Printed as it is, such a name could move the
cursor, colour or clear a terminal, hide a line or reverse its direction. A command therefore prints
through streams that write such characters as `\\x1b`, in tables, notes, CSV and errors alike. JSON
escapes them itself and stays valid. What draws a moving bar writes to the stream below, with
`unfiltered`; it prints numbers and no names of the user.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from reszoo.errors import visible


class VisibleStream:
    """A text stream whose control characters, but for line breaks, are written out.

    Everything but writing is done by the stream below, which is `unfiltered(self)`; so are bytes
    written to `buffer`.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream)

    def write(self, text: str) -> int:
        """Writes a text and returns the number of its characters."""
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes several texts."""
        for line in lines:
            self.write(line)


def unfiltered(stream: Any) -> Any:
    """Returns the stream below a `VisibleStream`, for what moves the cursor; others unchanged."""
    return stream.stream if isinstance(stream, VisibleStream) else stream


@contextlib.contextmanager
def visible_streams() -> Iterator[None]:
    """Filters `sys.stdout` and `sys.stderr` inside; a missing stream stays missing."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, VisibleStream) else VisibleStream(stream)
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
