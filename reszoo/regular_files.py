"""Regular files: a pipe, socket or device is never opened, since reading it may never end."""

from __future__ import annotations

import os
import stat

from reszoo.errors import Place, UserError

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special_kind(path: str | os.PathLike[str]) -> str | None:
    """Returns "a named pipe", "a socket" or "a device"; None for files, folders and nothing.

    Links are followed: a link to a device is a device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)


def require_regular_file(path: str | os.PathLike[str], where: Place | str | None = None) -> None:
    """Raises a `UserError` for a pipe, socket or device; a missing file and a folder pass."""
    if kind := special_kind(path):
        raise UserError(
            f"{os.fspath(path)} is {kind} and was not opened",
            where=where,
            expected="a regular file",
            found=kind,
            hint="write its contents to a file, and name that",
        )
