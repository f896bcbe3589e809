"""Control of stderr, including C++ code, which writes to file descriptor 2 directly."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO, Any

_STDERR = 2
_NOTE_BYTES = 2000
"""Most that an error's note quotes of the hidden output."""


@contextlib.contextmanager
def stderr_to(file: IO[bytes]) -> Iterator[None]:
    """Redirects this process's stderr to a file, including output from C++."""
    try:
        original = os.dup(_STDERR)
    except OSError:  # a daemon without a stderr has nothing to hide
        yield
        return
    _flush()
    os.dup2(file.fileno(), _STDERR)
    try:
        yield
    finally:
        _flush()
        os.dup2(original, _STDERR)
        os.close(original)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides stderr, warnings and TensorFlow's log messages.

    An exception that leaves the block gets the end of the hidden output as a note, because
    TensorFlow's converter explains its failures only there.
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
            if output := _tail(hidden):
                error.add_note(output)
            raise
        finally:
            logger.setLevel(level)


def discard_output(stream: Any) -> None:
    """Sends everything written to a stream from now on to nowhere: its reader is gone.

    Python would otherwise try to flush it once more when it exits, and change the exit code.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tail(file: IO[bytes]) -> str:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _NOTE_BYTES))
    return file.read().decode(errors="replace").strip()


def _flush() -> None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.stderr.flush()
