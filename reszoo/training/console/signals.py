"""How is a training asked to stop? Ctrl-C and SIGTERM finish the step, a second one does not."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from reszoo.errors import RestartError

ONE_REQUEST_SECONDS = 1.0
"""Signals so near each other are one request: a supervisor passes on what its whole group got."""


class TrainingStopped(RestartError):
    """A signal ended the training after a step; its state is saved and `reszoo resume` goes on.

    The exit code is 130 after Ctrl-C, as shells expect; 75 (start me again) after SIGTERM, with
    which fleets take machines back.
    """

    def __init__(self, *args: Any, signal_number: int, **details: Any) -> None:
        super().__init__(*args, **details)
        self.exit_code = 130 if signal_number == signal.SIGINT else RestartError.exit_code


class StopRequest:
    """Notes the first SIGINT or SIGTERM while it is open; a later one acts as it always does.

    Signals reach only the main thread: elsewhere nothing is caught.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number, self._at = number, time.monotonic()
        elif time.monotonic() - self._at > ONE_REQUEST_SECONDS:
            self._give_back()
            signal.raise_signal(number)

    def _give_back(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
