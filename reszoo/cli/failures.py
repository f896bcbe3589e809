"""Failures of a command: one message on stderr, and an exit code that says whose fault it is."""

from __future__ import annotations

import errno
import sys
import traceback

from reszoo.cli.terminate import Terminated
from reszoo.errors import MachineError, ReszooError, first_line
from reszoo.path_hints import unreadable_hint
from reszoo.stderr import discard_output

INTERRUPTED = 130
BROKEN_PIPE = 141


def report_failure(error: BaseException, debug: bool) -> int:
    """Prints the error on stderr and returns the exit code."""
    if isinstance(error, BrokenPipeError):  # `reszoo list | head`
        discard_output(sys.stdout)
        return BROKEN_PIPE
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        say(str(error) or "stopped; no half-written files were left behind")
        return error.exit_code if isinstance(error, Terminated) else INTERRUPTED
    known = error if isinstance(error, ReszooError) else _translate(error)
    if known is not None:
        say(f"error: {known}")
        return known.exit_code
    say(f"error: unexpected {type(error).__name__}: {first_line(error)}")
    if not debug:
        say("  do:       run the command again with --debug for the traceback")
    return 1


def _translate(error: BaseException) -> ReszooError | None:
    """Returns a `MachineError` for an error of Python or TensorFlow that is the machine's fault."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return MachineError(
            "the machine ran out of memory",
            found=first_line(error),
            hint="close other programs, or use a smaller network, image or batch",
        )
    if isinstance(error, OSError):
        reason = error.strerror or first_line(error)
        where = str(error.filename) if error.filename else None
        if where is None:
            hint = "run the command again with --debug to see which file it is"
        elif error.errno in (errno.EACCES, errno.EPERM):  # to read or to write
            hint = f"give yourself access: chmod u+rwX '{where}'"
        else:
            hint = unreadable_hint(error, where)
        return MachineError(reason, where=where, hint=hint)
    return None


def say(text: str) -> None:
    """Prints on stderr; a terminal that is gone does not change the exit code."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard_output(sys.stderr)
