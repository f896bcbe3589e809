"""Handling of SIGTERM and SIGHUP: as with Ctrl-C, a command cleans up before it ends."""

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
    """Turns SIGTERM and SIGHUP into an exception, so that half-written files are removed.

    A training handles the signal itself and saves a checkpoint. Only the main thread may set a
    handler: in any other, nothing is caught.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)  # a closed terminal, unless `nohup` ignores it
    before = {number: signal.signal(number, _raise_terminated) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
