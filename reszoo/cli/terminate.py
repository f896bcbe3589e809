"""Handling of SIGTERM: as with Ctrl-C, a command cleans up before it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM from `kill`, `timeout` or a machine that shuts down."""

    exit_code = 128 + signal.SIGTERM


@contextlib.contextmanager
def clean_up_on_sigterm() -> Iterator[None]:
    """Turns SIGTERM into an exception, so that half-written temporary files are removed.

    A training handles the signal itself and saves a checkpoint. Only the main thread may set a
    handler: in any other, nothing is caught.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
