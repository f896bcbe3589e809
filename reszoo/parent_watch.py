"""Parent watch: a child process learns from a pipe that its parent is gone, and stops.

The parent alone holds the write end, so the kernel closes it when the parent ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

VARIABLE = "RESZOO_PARENT_PIPE"
"""Environment variable with the descriptor of the read end, in a child that watches its parent."""


@contextlib.contextmanager
def pipe_to_child() -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yields arguments of `Popen` and variables by which a child notices the end of this process.

    Windows passes no descriptors on: there a child outlives its parent.
    """
    if os.name != "posix":
        yield {}, {}
        return
    read_end, write_end = os.pipe()
    try:
        yield {"pass_fds": (read_end,)}, {VARIABLE: str(read_end)}
    finally:
        os.close(read_end)
        os.close(write_end)


def stop_without_parent(descriptor: int, signal_number: int = signal.SIGTERM) -> None:
    """Sends this process a signal as soon as the pipe's write end is closed.

    A signal that this process inherited as blocked is unblocked first: it would never arrive.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal_number])

    def watch() -> None:
        while os.read(descriptor, 1024):
            pass
        os.kill(os.getpid(), signal_number)

    threading.Thread(target=watch, daemon=True).start()


def obey_supervisor() -> None:
    """Watches the parent that started this process, if it gave it a pipe."""
    if (descriptor := os.environ.pop(VARIABLE, None)) is not None:
        stop_without_parent(int(descriptor))
