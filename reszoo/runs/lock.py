"""Who owns a run: one process at a time, found out by a lock that dies with its process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from reszoo.atomic_files import machine_error
from reszoo.errors import UserError

LOCK_NAME = ".lock"


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Holds the run folder for this process while the context is open.

    The kernel lets go of the lock when its process ends, however it ends, so a killed run never
    has to be unlocked by hand.

    Raises:
      UserError: another process (or thread) holds the run; the message says which.
    """
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise machine_error(error, folder / LOCK_NAME) from error
    try:
        _take(descriptor, folder)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"the run {folder} is in use",
            found=f"held by {_holder(descriptor)}",
            hint="wait for it to end, or stop that process; its lock then goes by itself",
        ) from None
    holder = {
        "process": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['process']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has not yet written its name"
