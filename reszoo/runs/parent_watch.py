"""Parent watch: a child process learns from a pipe that its parent is gone, and stops.

The parent alone holds the write end, so the kernel closes it when the parent ends, however it ends.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "RESZOO_PARENT_PIPE"
"""Environment variable with the descriptor of the read end, in a child started by `--supervise`."""


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
    """Watches the supervisor, if one started this process."""
    if (descriptor := os.environ.pop(VARIABLE, None)) is not None:
        stop_without_parent(int(descriptor))
