"""Which folder does a new run get?"""

from __future__ import annotations

import shutil
from pathlib import Path

from reszoo.atomic_files import PARTIALS, machine_error
from reszoo.errors import UserError
from reszoo.runs.lock import LOCK_NAME

DEFAULT_FOLDER = Path("runs")
_BEFORE_BIRTH = {"architecture.yaml", "recipe.yaml", "data.json", "checkpoints", LOCK_NAME}
"""What a folder holds whose making was cut short: it is no run before run.json stands there."""


def default_name(network: str, data: str) -> str:
    """The name of a run, before its number: that of `folder:photos/cats` ends in `cats`."""
    last = data.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in last)
    return f"{network}-{kept.strip('-.') or 'data'}"


def no_shared_folder() -> UserError:
    """For several workers that were not told where to write."""
    return UserError(
        "several workers need to be told their run folder: only the chief makes one",
        expected="-o RUN, the same for all of them, on a file system that they share",
        found="none",
    )


def claim(path: Path | None, default_name: str) -> tuple[Path, bool]:
    """The run's folder, and whether it was made here (an empty one may have stood there)."""
    try:
        if path is None:
            return _first_free(DEFAULT_FOLDER, default_name), True
        if path.is_dir() and _is_unborn(path):
            return path, False
        path.mkdir(parents=True)
        return path, True
    except FileExistsError:
        taken = path or DEFAULT_FOLDER
        raise UserError(
            f"{taken} exists already",
            found=contents(taken) if taken.is_dir() else "a file",
            hint="choose another name with -o, or go on with an existing run by `reszoo resume`",
        ) from None
    except OSError as error:
        raise machine_error(error, path or DEFAULT_FOLDER) from error


def _is_unborn(path: Path) -> bool:
    """Whether a folder holds nothing but what a killed process may leave before run.json."""
    return all(entry.name in _BEFORE_BIRTH or entry.match(PARTIALS) for entry in path.iterdir())


def _first_free(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    name = name.replace("/", "-")  # A network may be called `mine/resnet`.
    number = 1
    while True:
        try:
            (folder := parent / f"{name}-{number}").mkdir()
            return folder
        except FileExistsError:
            number += 1


def undo(folder: Path, made: bool) -> None:
    """Leaves of a claimed folder what was there before."""
    shutil.rmtree(folder, ignore_errors=True)
    if not made:
        folder.mkdir(exist_ok=True)


def contents(path: Path) -> str:
    """The first names in a folder, for a message."""
    names = sorted(entry.name for entry in path.iterdir())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return shown or "an empty folder"
