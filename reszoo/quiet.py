"""How is C++ kept from talking over the command line? It writes to file descriptor 2 itself."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO

_STDERR = 2


@contextlib.contextmanager
def stderr_to(file: IO[bytes]) -> Iterator[None]:
    """Sends everything this process writes to stderr, C++ included, to a file."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # a daemon without a stderr has nothing to hide
        yield
        return
    _flush()
    os.dup2(file.fileno(), _STDERR)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, _STDERR)
        os.close(kept)


def _flush() -> None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.stderr.flush()
