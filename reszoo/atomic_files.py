"""Files that appear whole or not at all: write beside the target, flush, rename."""

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
"""What files and folders are called until they are whole."""

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
    """The `OSError` met while writing `path`, as a message for a person."""
    reason = error.strerror or str(error)
    return MachineError(
        f"cannot write {path}: {reason}", hint=_ADVICE.get(error.errno or 0, "nothing was written")
    )


@contextlib.contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on a clean exit it is flushed and takes that name.

    On any exception, an interrupt included, the temporary file is removed and what stood at
    `path` stays as it was.

    Raises:
      MachineError: the disk is full, the folder is missing rights or the name is taken.
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
    """Like `atomic_file`, for a whole folder; a folder that stands at `path` is replaced at the
    end."""
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
    """Writes UTF-8 text, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Writes indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_line(path: Path | str, line: str) -> None:
    """Adds one whole line to a log with a single write."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            whole = (line + "\n").encode()
            if os.write(descriptor, whole) < len(whole):  # A disk that fills takes a part.
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
