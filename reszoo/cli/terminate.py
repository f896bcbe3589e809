"""What does a SIGTERM do? What Ctrl-C does: the command tidies up before it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """`kill`, `timeout` or a machine that shuts down asked the command to end."""

    exit_code = 128 + signal.SIGTERM


@contextlib.contextmanager
def tidy_on_sigterm() -> Iterator[None]:
    """Turns SIGTERM into an exception, so that half-written temporary files are removed.

    A training notes the signal itself and saves its state. Signals reach only the main thread:
    elsewhere nothing is caught.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
