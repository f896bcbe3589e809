"""How are TensorFlow and C++, which writes to file descriptor 2 itself, kept from talking over the
command line?
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

_STDERR = 2
_KEPT_CHARACTERS = 2000


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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what TensorFlow, its C++ parts and its warnings say on stderr.

    An error that leaves the block carries the end of what was hidden as a note, because the
    converter explains its failures only there.
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    with tempfile.TemporaryFile() as hidden, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            with stderr_to(hidden):
                yield
        except Exception as error:
            if said := _tail(hidden):
                error.add_note(said)
            raise
        finally:
            logger.setLevel(level)


def _tail(file: IO[bytes]) -> str:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _KEPT_CHARACTERS))
    return file.read().decode(errors="replace").strip()


def _flush() -> None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.stderr.flush()
