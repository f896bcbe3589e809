"""Image files below a folder: system and hidden files are ignored, links are followed once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reszoo.errors import MachineError
from reszoo.path_hints import unreadable_hint

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
)
"""Suffixes of the image files of a folder."""

UNREADABLE_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".svg", ".ico", ".dng", ".nef", ".cr2"}
)
"""Suffixes of images that cannot be read: in a class folder they are errors, not ignored."""

_SYSTEM_NAMES = frozenset(
    {
        "$recycle.bin", "recycler", "system volume information", "found.000", "thumbs.db",
        "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "temporary items",
        "network trash folder", "lost+found", "__pycache__", "@eadir", "@tmp", "@recycle",
        "@recently-snapshot", "#recycle", "#snapshot", "~snapshot",
    }
)  # fmt: skip
"""What Windows, macOS, Linux, Python, Synology, QNAP and NetApp put into folders of others."""


@contextlib.contextmanager
def reading_folder(folder: Path) -> Iterator[None]:
    """Raises a `MachineError` where the folder, or one below it, cannot be read."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"cannot read {error.filename or folder}: {error.strerror or error}",
            hint=unreadable_hint(error, folder),
        ) from error


def visible_entries(folder: Path) -> list[os.DirEntry[str]]:
    """Returns the entries of a folder sorted by name, without hidden ones and the system's."""
    with os.scandir(folder) as entries:
        shown = [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in _SYSTEM_NAMES
        ]
    return sorted(shown, key=lambda entry: entry.name)


@dataclass(slots=True)
class FileWalk:
    """A walk through folders that enters none twice and follows no link into the folders of others.

    Links to files are always followed.
    """

    others: Sequence[Path] = ()
    """Real paths of folders that are walked by themselves, such as all classes of the data."""
    root: Path | None = None
    """A link to this real path, or to one above it, is not followed."""
    ignored_links: list[str] = field(default_factory=list)
    """Paths of the links to folders that were passed over."""
    _visited: set[tuple[int, int]] = field(default_factory=set)

    def files(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """Yields every file below a folder, sorted."""
        status = folder.stat()
        self._visited.add((status.st_dev, status.st_ino))
        for entry in visible_entries(folder):
            if not entry.is_dir():
                yield entry
            elif self._enters(entry):
                yield from self.files(Path(entry.path))

    def _enters(self, entry: os.DirEntry[str]) -> bool:
        """Returns whether a folder is entered; a link that is not, is noted."""
        status = entry.stat()
        enters = (status.st_dev, status.st_ino) not in self._visited
        if enters and entry.is_symlink():
            enters = not self.leads_to_others(Path(entry.path))
        if not enters:
            self.ignored_links.append(entry.path)
        return enters

    def leads_to_others(self, link: Path) -> bool:
        """Returns whether a link leads to the root, above it, or to, into or above `others`."""
        target = link.resolve()
        above_root = self.root is not None and self.root.is_relative_to(target)
        return above_root or any(
            other.is_relative_to(target) or target.is_relative_to(other) for other in self.others
        )
