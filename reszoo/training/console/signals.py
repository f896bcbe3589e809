"""Stop signals: the first Ctrl-C, SIGTERM or SIGHUP finishes the step, a second does not."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from reszoo.errors import RestartError

ONE_REQUEST_SECONDS = 1.0
"""Signals this close together are one request: a supervisor forwards what its group received."""

_HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none.
_STOP_SIGNALS = [number for number in (signal.SIGINT, signal.SIGTERM, _HANGUP) if number]


class TrainingStopped(RestartError):
    """A signal stopped the training after a step; `reszoo resume` continues from its checkpoint.

    The exit code is 130 after Ctrl-C, as shells expect, and 75 (restart me) after SIGTERM, by
    which clusters preempt machines.
    """

    def __init__(self, *args: Any, signal_number: int, **details: Any) -> None:
        super().__init__(*args, **details)
        self.exit_code = 130 if signal_number == signal.SIGINT else RestartError.exit_code


class StopRequest:
    """Records the first stop signal while it is open; a later one acts as usual.

    A closed terminal (SIGHUP) counts as SIGTERM.

    Python handles signals in the main thread: in other threads nothing is caught.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._received_at = 0.0
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN or number != _HANGUP:  # as by nohup
                    self._handlers[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore_handlers()

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number = signal.SIGTERM if number == _HANGUP else number
            self._received_at = time.monotonic()
        elif time.monotonic() - self._received_at > ONE_REQUEST_SECONDS:
            self._restore_handlers()
            signal.raise_signal(number)

    def _restore_handlers(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())
