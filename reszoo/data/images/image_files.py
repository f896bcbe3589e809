"""Image files below a folder: hidden files are ignored, links are followed once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from reszoo.errors import MachineError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif"})
"""Suffixes of the image files of a folder."""

UNREADABLE_SUFFIXES = frozenset(
    {".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".psd", ".svg", ".ico"}
)
"""Suffixes of images that cannot be read: in a class folder they are errors, not ignored."""


@contextlib.contextmanager
def reading_folder(folder: Path) -> Iterator[None]:
    """Raises a `MachineError` where the folder, or one below it, cannot be read."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"cannot read {error.filename or folder}: {error.strerror or error}",
            hint="check the folder's permissions",
        ) from error


def visible_entries(folder: Path) -> list[os.DirEntry[str]]:
    """Returns the entries of a folder sorted by name, without hidden ones (such as `._NAME`)."""
    with os.scandir(folder) as entries:
        shown = [e for e in entries if not e.name.startswith(".") and e.name != "__MACOSX"]
    return sorted(shown, key=lambda entry: entry.name)


def walk_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields every file below a folder, sorted; links are followed, but never in a circle."""
    return _walk(folder, set())


def _walk(folder: Path, visited: set[tuple[int, int]]) -> Iterator[os.DirEntry[str]]:
    status = folder.stat()
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    for entry in visible_entries(folder):
        if entry.is_dir():
            yield from _walk(Path(entry.path), visited)
        else:
            yield entry
