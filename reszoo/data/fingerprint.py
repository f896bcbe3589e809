"""Fingerprints of images, by which a run recognises its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Size and time of every image, and a hash of its contents.

    Size and time come first, as they cost nothing: where both are what they were, the contents are
    taken to be the same. Where one differs, as in a copy, the contents decide.
    """

    files: Mapping[str, tuple[int, int | None]]
    """Bytes of each image and when it was changed, in ns; None in memory, where the hash decides.

    The names are paths relative to the folder, with forward slashes; in memory, `image 7`.
    """
    hashes: Callable[[], Mapping[str, str]]
    """Returns the hash of each readable image; it may have to read all of them."""

    def records(self) -> list[dict[str, Any]]:
        """Returns what a run keeps, a mapping for each image."""
        hashes = self.hashes()
        return [
            {"path": path, "size": size, "modified_ns": modified, "hash": hashes.get(path)}
            for path, (size, modified) in self.files.items()
        ]

    def changed(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """Returns the names of the images that are gone or not what they were in the records."""
        doubtful = [record for record in records if not self._looks_equal(record)]
        hashes = self.hashes() if doubtful else {}
        return [
            record["path"] if record["path"] in self.files else f"{record['path']} (is gone)"
            for record in doubtful
            if record["path"] not in self.files or hashes.get(record["path"]) != record["hash"]
        ]

    def _looks_equal(self, record: Mapping[str, Any]) -> bool:
        size, modified = self.files.get(record["path"], (None, None))
        return modified is not None and (size, modified) == (record["size"], record["modified_ns"])
