"""Hints for paths that cannot be read: what is there instead, or how to make them readable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from reszoo.errors import did_you_mean

_SHOWN = 5
"""Number of entries of a folder that a hint lists."""

_ADVICE = {
    errno.EISDIR: "{path} is a folder: name a file in it",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "remove the link that leads back to itself: {path}",
    errno.ENOSPC: "free disk space, then run the same command again",
    errno.EDQUOT: "your disk quota is used up: free disk space, then run the same command again",
    errno.EMFILE: "let the process open more files: ulimit -n 4096",
    errno.ENOMEM: "close other programs, then run the same command again",
}


def missing_path_hint(path: str | os.PathLike[str]) -> str:
    """Returns a hint that names what is in the nearest folder that exists above a missing path."""
    missing = Path(os.path.expanduser(path))  # keeps ~NAME if there is no such user
    if os.path.islink(missing):  # False for a name that is too long
        return f"the link leads nowhere: point it at a file that exists, or remove it: {missing}"
    folder = missing.parent
    while not folder.is_dir() and folder != folder.parent:
        missing, folder = folder, folder.parent
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return unreadable_hint(PermissionError(errno.EACCES, "", str(folder)), folder)
    if close := did_you_mean(missing.name, names):
        return f"in {folder}: {close}" if folder != Path() else close
    what = f"{missing.name} is not in {folder.resolve()}"
    if not names:
        return f"{what}, which is empty; write the path of what is there"
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{what}; write the path of what is there ({', '.join(names[:_SHOWN])}{more})"


def inner_paths_hint(folder: Path, pattern: str) -> str | None:
    """Returns a hint that names the files of a folder that match a pattern; None without any."""
    found = sorted(map(str, folder.glob(pattern)))[:_SHOWN]
    return f"name {' or '.join(found)}" if found else None


def unreadable_hint(error: OSError, path: str | os.PathLike[str]) -> str:
    """Returns a hint for a path that the operating system did not read."""
    name = error.filename or os.fspath(path)
    name = os.fsdecode(name) if isinstance(name, str | bytes) else os.fspath(path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"make it readable: chmod u+rX '{name}'"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return missing_path_hint(name)
    advice = _ADVICE.get(error.errno or 0, "copy it to another disk, and name the copy")
    return advice.format(path=name)
