"""The layout of an image folder: which folders are splits, and which are classes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from reszoo.data.images.image_files import SUFFIXES, reading_folder, visible_entries
from reszoo.errors import UserError
from reszoo.path_hints import missing_path_hint

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
"""The split of each name that a folder, or a cell of a table, may have."""
LAYOUT = "PATH/train/<class>/* and PATH/test/<class>/*, or PATH/<class>/*"
"""The expected layouts, in messages."""


def require_folder(path: str | os.PathLike[str]) -> None:
    """Raises a `UserError` where there is no folder of this name."""
    root = Path(os.path.expanduser(path))
    if not root.exists():
        raise UserError(f"there is no folder {root}", expected=LAYOUT, hint=missing_path_hint(root))
    if not root.is_dir():
        raise UserError(
            f"{root} is a file, not a folder of images",
            expected=LAYOUT,
            hint="name the folder that holds the class folders",
        )


def top_level(root: Path) -> tuple[list[str], int]:
    """Returns the sub-folders of the root, and the number of files beside them."""
    require_folder(root)
    with reading_folder(root):
        entries = visible_entries(root)
    folders = [entry.name for entry in entries if entry.is_dir()]
    images = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in entries)
    if not folders:
        found = f"{images} image files without class folders" if images else "an empty folder"
        raise UserError(
            f"no class folders in {root}",
            expected=LAYOUT,
            found=found,
            hint=f"{root} looks like one class of several: write folder:{root.parent}"
            if images and _has_siblings_with_images(root)
            else "make a folder for each class, and put its images into it",
        )
    return folders, len(entries) - len(folders)


def _has_siblings_with_images(root: Path) -> bool:
    """Whether a folder beside this one holds images too."""
    with contextlib.suppress(OSError):
        return any(
            Path(image.name).suffix.lower() in SUFFIXES
            for entry in visible_entries(root.parent)
            if entry.is_dir() and entry.name != root.name
            for image in visible_entries(Path(entry.path))
        )
    return False


def split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Returns the folders that are splits: those of a split's name that contain folders.

    A class may also be called "train" (of vehicles, say); such a folder contains images.
    """
    splits: dict[str, str] = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.lower())
        if split is None or not has_folders(root / folder):
            continue
        if split in splits:
            raise UserError(
                f"two folders for the split '{split}'",
                where=str(root),
                found=f"{splits[split]}/ and {folder}/",
                hint="keep one of them",
            )
        splits[split] = folder
    return {split: splits[split] for split in ("train", "validation", "test") if split in splits}


def has_folders(folder: Path) -> bool:
    """Returns whether there are folders in a folder."""
    with reading_folder(folder):
        return bool(subfolders(folder))


def subfolders(folder: Path) -> list[os.DirEntry[str]]:
    """Returns the entries of the visible folders in a folder."""
    return [entry for entry in visible_entries(folder) if entry.is_dir()]
