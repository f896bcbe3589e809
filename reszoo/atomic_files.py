"""Atomic writes: a file or folder is written in a hidden folder beside it, then renamed.

A writer of `NAME` works in `.NAME.XXXXXXXX.partial/`, and holds the lock of a file in there. The
kernel releases the lock when the writer ends, however it ends; the next command that writes `NAME`
then restores what a killed writer had moved away, and removes the rest. What a living writer holds
is left alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo.errors import MachineError

if TYPE_CHECKING:
    from filelock import BaseFileLock

PARTIALS = ".*.partial*"
"""Glob pattern of the temporary names that unfinished files and folders have."""

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
"""Errors of a file system without locks."""

_WORKSPACE = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.partial", re.DOTALL)
_LOCK, _OLD = ".lock", ".old"
"""What a workspace holds beside the new file or folder: its lock, and the folder it replaces."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

_ADVICE = {
    errno.ENOSPC: "free some space or choose another place with -o",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another place with -o",
    errno.EACCES: "choose a writable folder with -o, or change the permissions of this one",
    errno.EPERM: "choose a writable folder with -o, or change the permissions of this one",
    errno.EROFS: "the disk is read-only: choose another place with -o",
    errno.ENOTDIR: "a part of the path is a file: choose another place with -o",
    errno.EEXIST: "a part of the path is a file: choose another place with -o",
    errno.EISDIR: "a folder has this name: choose another name with -o",
}


def machine_error(error: OSError, path: Path | str) -> MachineError:
    """Returns the `MachineError` for an `OSError` raised while writing `path`."""
    reason = error.strerror or str(error)
    return MachineError(
        f"cannot write {path}: {reason}",
        hint=_ADVICE.get(error.errno or 0, "choose another place with -o"),
    )


@contextlib.contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path of the same name, which is flushed and renamed to `path` on success.

    Whatever else is written beside the temporary path is removed. On any exception, including an
    interrupt, an existing file at `path` is left unchanged.

    Raises:
      MachineError: the disk is full, permissions are missing or the name belongs to a folder.
    """
    path = Path(path)
    try:
        with _workspace(path) as workspace:
            temporary = workspace / path.name
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
    except OSError as error:
        raise machine_error(error, path) from error


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Like `atomic_file`, for a folder; an existing folder at `path` is replaced on success."""
    path = Path(path)
    try:
        with _workspace(path) as workspace:
            temporary = workspace / path.name
            temporary.mkdir()
            yield temporary
            _replace_folder(temporary, path)
    except OSError as error:
        raise machine_error(error, path) from error


def recover(path: Path | str) -> None:
    """Restores what killed writers of `path` had moved away, and removes what they left.

    Does nothing where a writer is alive, where the folder cannot be written, and on a file system
    without locks.
    """
    path = Path(path)
    for workspace in _workspaces(path.parent, path.name):
        with contextlib.suppress(OSError, TimeoutError):  # filelock's Timeout is one
            lock = _lock_of(workspace)
            lock.acquire(blocking=False)
            try:
                _restore(workspace, path)
                shutil.rmtree(workspace, ignore_errors=True)
            finally:
                lock.release()


def recover_all(folder: Path) -> None:
    """Recovers every path in a folder; see `recover`."""
    for workspace in _workspaces(folder):
        match = _WORKSPACE.fullmatch(workspace.name)
        assert match is not None
        recover(folder / match["name"])


def remove_unlocked(folder: Path) -> None:
    """Removes the unfinished files of version 0.1, which locked none.

    The caller holds the lock of the whole folder.
    """
    for partial in folder.glob(PARTIALS):
        if not partial.is_dir():
            partial.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Writes text as UTF-8, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Writes indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_line(path: Path | str, line: str) -> None:
    """Appends a line to a log in a single write, so that lines of two processes never mix."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            data = (line + "\n").encode()
            if os.write(descriptor, data) < len(data):  # The disk became full midway.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise machine_error(error, path) from error


@contextlib.contextmanager
def _workspace(path: Path) -> Iterator[Path]:
    """Yields a new, locked folder beside `path`, after those of killed writers were removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    recover(path)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    lock = _lock_of(workspace)
    try:
        try:
            lock.acquire()  # waits only for a `recover` that came first and found nobody
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield workspace
    finally:
        with contextlib.suppress(OSError):
            _restore(workspace, path)
        shutil.rmtree(workspace, ignore_errors=True)
        lock.release()


def _workspaces(folder: Path, name: str | None = None) -> list[Path]:
    """Returns the workspaces in a folder, of the writers of one name or of all."""
    try:
        names = os.listdir(folder)
    except OSError:  # there is no such folder, or it cannot be read
        return []
    matches = filter(None, map(_WORKSPACE.fullmatch, names))
    return [folder / match[0] for match in matches if name in (None, match["name"])]


def _lock_of(workspace: Path) -> BaseFileLock:
    import filelock  # `reszoo list` writes nothing

    return filelock.FileLock(workspace / _LOCK, thread_local=False, fallback_to_soft=False)


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _replace_folder(new: Path, path: Path) -> None:
    if not os.path.lexists(path):
        os.replace(new, path)
    elif not _swap(new, path):
        # A reader may come, or a kill, while there is nothing at `path`: see `_restore`.
        os.replace(path, new.with_name(_OLD))
        os.replace(new, path)


def _restore(workspace: Path, path: Path) -> None:
    """Moves the folder back that a writer had moved away and did not replace."""
    if os.path.lexists(workspace / _OLD) and not os.path.lexists(path):
        os.replace(workspace / _OLD, path)


def _swap(one: Path, other: Path) -> bool:
    """Exchanges two paths in one step; returns False where the system cannot.

    Linux can, on most local file systems; Python has no function for it.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    rename = getattr(libc, "renameat2", None)
    if rename is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)
