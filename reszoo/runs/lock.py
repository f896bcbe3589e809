"""Lock of a run folder: one process at a time, released by the kernel when that process ends."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reszoo.atomic_files import NO_LOCKS, machine_error, write_json
from reszoo.errors import MachineError, UserError
from reszoo.json_text import parse_json
from reszoo.regular_files import special_kind

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK_NAME = ".lock"
"""The locked file. It stays behind: removing a file that others may be locking lets two in."""
HOLDER_NAME = ".lock.json"
"""Which process holds the lock; absent while nobody does."""

_HINT = "wait for it to end, or stop that process, which releases the lock"


@contextlib.contextmanager
def hold_lock(
    folder: Path, busy: str | None = None, hint: str = _HINT, *, name: str = LOCK_NAME
) -> Iterator[None]:
    """Holds the folder for this process and thread while the context is open.

    The kernel releases the lock when its process ends, however it ends, so a killed run never has
    to be unlocked by hand. On Unix this is `flock`, which version 0.1 took on the same file. A
    folder can have several locks, each with a `name` of its own.

    Raises:
      UserError: another process or thread holds the folder; the message is `busy`, the process
        and `hint`.
      MachineError: the file system has no locks, or the lock file cannot be written.
    """
    path = folder / name
    lock = _acquire(path, busy or f"the run {folder} is in use", hint)
    try:
        _write_holder(path)
        yield
    finally:
        with contextlib.suppress(OSError):
            _holder_of(path).unlink(missing_ok=True)
        lock.release()


def _holder_of(path: Path) -> Path:
    """Returns the file beside a lock that names its holder: `.lock.json` for `.lock`."""
    return path.with_name(f"{path.name}.json")


def _acquire(path: Path, busy: str, hint: str) -> BaseFileLock:
    import filelock  # `reszoo list` needs no lock

    folder = path.parent
    if filelock.FileLock is filelock.SoftFileLock:
        # A soft lock outlives a killed process, and version 0.1 does not see it.
        raise _unsupported(folder, "this Python has no `fcntl`")
    # One instance per call, for an instance is reentrant and a second thread must be refused.
    lock = filelock.FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        os.stat(folder)  # filelock would create it
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise UserError(busy, found=f"held by {_read_holder(path)}", hint=hint) from None
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise _unsupported(folder, error.strerror) from error
        raise machine_error(error, path) from error
    return lock


def _unsupported(folder: Path, reason: str | None) -> MachineError:
    return MachineError(
        f"{folder} cannot be locked: the file system has no file locks",
        found=reason,
        hint="choose a folder on another file system with -o",
    )


def _write_holder(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.truncate(path, 0)  # what a killed process of version 0.1 wrote
    holder = {
        "process": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(_holder_of(path), holder)


def _read_holder(path: Path) -> str:
    # Version 0.1 wrote into the lock file itself; this version leaves that file empty.
    for file in (path, _holder_of(path)):
        if special_kind(file):
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            holder = parse_json(file.read_bytes())
            return f"process {holder['process']} on {holder['host']} since {holder['since']}"
    return "a process that has not yet written its name"
