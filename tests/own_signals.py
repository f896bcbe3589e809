"""Signals that a test sends to its own process at a moment that it waits for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable


def signal_when(happened: Callable[[], object], number: int) -> None:
    """Sends a signal to this process once something has happened, or after 20 seconds."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not happened() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait).start()
