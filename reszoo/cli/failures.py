"""What does the user see when a command fails? One message, and whose fault it was as exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

from reszoo.cli.terminate import Terminated
from reszoo.errors import MachineError, ReszooError, first_line

INTERRUPTED = 130
READER_LEFT = 141


def report_failure(error: BaseException, debug: bool) -> int:
    """Prints what went wrong on stderr and returns the exit code."""
    if isinstance(error, BrokenPipeError):  # `reszoo list | head`
        _drop_stdout()
        return READER_LEFT
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        _say(str(error) or "stopped; nothing stands half-written under its final name")
        return error.exit_code if isinstance(error, Terminated) else INTERRUPTED
    known = error if isinstance(error, ReszooError) else _known(error)
    if known is not None:
        _say(f"error: {known}")
        return known.exit_code
    _say(f"error: unexpected {type(error).__name__}: {first_line(error)}")
    if not debug:
        _say("  do:       run the command again with --debug for the traceback")
    return 1


def _known(error: BaseException) -> ReszooError | None:
    """What Python and TensorFlow raise when the machine is at fault, in our words."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return MachineError(
            "the machine ran out of memory",
            found=first_line(error),
            hint="close other programs, or take a smaller network, image or batch",
        )
    if isinstance(error, OSError):
        reason = error.strerror or first_line(error)
        return MachineError(reason, where=str(error.filename) if error.filename else None)
    return None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _drop_stdout() -> None:
    """Python would complain at its end that it cannot flush what nobody reads."""
    with contextlib.suppress(OSError, ValueError):  # a stdout that is no file has nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
