"""Atomic writes: a file or folder is written beside its target, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reszoo.errors import MachineError

PARTIALS = ".*.partial*"
"""Glob pattern of the temporary names that unfinished files and folders have."""

_ADVICE = {
    errno.ENOSPC: "free some space or choose another place with -o",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another place with -o",
    errno.EACCES: "choose a folder you may write to with -o, or change its permissions",
    errno.EPERM: "choose a folder you may write to with -o, or change its permissions",
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
    """Yields a temporary path beside `path`, which is flushed and renamed to `path` on success.

    On any exception, including an interrupt, the temporary file is removed and an existing file at
    `path` is left unchanged.

    Raises:
      MachineError: the disk is full, permissions are missing or the name belongs to a folder.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise machine_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Like `atomic_file`, for a folder; an existing folder at `path` is replaced on success."""
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(
            tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        )
        temporary.chmod(0o755)
        yield temporary
        _replace_folder(temporary, path)
    except OSError as error:
        raise machine_error(error, path) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


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


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _replace_folder(new: Path, path: Path) -> None:
    if not path.exists():
        os.replace(new, path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    os.replace(path, old / path.name)
    os.replace(new, path)
    shutil.rmtree(old, ignore_errors=True)
