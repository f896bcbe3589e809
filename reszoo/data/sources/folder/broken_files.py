"""Image files that cannot be read, and the error that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reszoo.errors import UserError

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """An image file that cannot be read, with the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def broken_files_error(broken: Sequence[BrokenFile], total: int, where: str) -> UserError:
    """Returns the error for `broken` files among `total` images, which names the first few."""
    files = [str(file) for file in broken[:_MAX_LISTED]]
    if len(broken) > _MAX_LISTED:
        files.append(f"and {len(broken) - _MAX_LISTED:,} more")
    return UserError(
        f"{len(broken):,} of {total:,} images cannot be read",
        where=where,
        found=("\n" + " " * 12).join(files),
        hint="repair or remove them, or skip them with --skip-bad-images",
    )
