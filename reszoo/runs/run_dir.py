"""Folders for new runs: their default names, claiming one, and giving it up again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from reszoo.atomic_files import PARTIALS, machine_error
from reszoo.errors import UserError
from reszoo.runs.lock import HOLDER_NAME, LOCK_NAME

DEFAULT_FOLDER = Path("runs")
_FILES_BEFORE_RUN_JSON = (
    "architecture.yaml",
    "recipe.yaml",
    "data.json",
    "data_files.jsonl",
    "checkpoints",
)
"""What a killed process may leave in a folder that is no run yet, because it has no run.json."""


def default_name(name: str, data: str) -> str:
    """Returns the folder name for a network or search and its data, without a number.

    `folder:photos/my cats` becomes `NAME-my-cats`.
    """
    last = data.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    label = re.sub(r"[^\w.-]+", "-", last).strip("-.")
    return f"{name}-{label or 'data'}"


def no_shared_folder() -> UserError:
    """Returns the error for several workers without a common run folder."""
    return UserError(
        "several workers need the name of their run folder: only the chief creates one",
        expected="-o RUN, the same for all of them, on a file system that they share",
        found="none",
        hint="-o RUN",
    )


def claim(path: Path | None, default_name: str) -> tuple[Path, bool]:
    """Returns the folder of a new run, and whether it was created (an empty one may have existed).

    Raises:
      UserError: the folder holds something else.
      MachineError: it cannot be created.
    """
    try:
        if path is None:
            return _create_numbered(DEFAULT_FOLDER, default_name), True
        if path.is_dir() and _is_unfinished(path):
            return path, False
        path.mkdir(parents=True)
        return path, True
    except FileExistsError:
        taken = path or DEFAULT_FOLDER
        raise UserError(
            f"{taken} already exists",
            found=contents(taken),
            hint="choose another name with -o, or continue an existing run with `reszoo resume`",
        ) from None
    except OSError as error:
        raise machine_error(error, path or DEFAULT_FOLDER) from error


def _is_unfinished(path: Path) -> bool:
    """Returns whether a folder is empty but for what a killed process leaves before run.json."""
    leftovers = (*_FILES_BEFORE_RUN_JSON, LOCK_NAME, HOLDER_NAME)
    return all(entry.name in leftovers or entry.match(PARTIALS) for entry in path.iterdir())


def _create_numbered(parent: Path, name: str) -> Path:
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
    """Restores a claimed folder to what it was before: absent or empty."""
    shutil.rmtree(folder, ignore_errors=True)
    if not made:
        folder.mkdir(exist_ok=True)


def contents(path: Path) -> str:
    """Returns the first names in a folder, for a message."""
    if not path.is_dir():
        return "a file"
    names = sorted(entry.name for entry in path.iterdir())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return shown or "an empty folder"
