"""Listing image folders: splits, classes, files, and a fingerprint that detects changes.

Two layouts are supported:

- `train/<class>/*` and `test/<class>/*`, with or without `val/` (or `validation/`);
- class folders at the top, or in a lone `train/`: a seeded, stratified fifth of the images becomes
  `test` (if there are so few that it is empty, there is only `train`).

Images may be nested deeper in a class folder. Hidden files are ignored; other files that are not
images are counted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reszoo.data.images.image_files import (
    SUFFIXES,
    UNREADABLE_SUFFIXES,
    reading_folder,
    visible_entries,
    walk_files,
)
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError

TEST_FRACTION = 0.2
"""Share of each class that becomes `test` if a folder has no test split."""

FORMAT = 1
"""Version of prepared data, part of every fingerprint."""

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
_LAYOUT = "PATH/train/<class>/* and PATH/test/<class>/*, or PATH/<class>/*"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file: its path relative to the root, with forward slashes, and its class."""

    path: str
    label: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The contents of a folder of images, before any image is opened."""

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[ImageFile, ...]]
    passed_over: int
    """Number of files that are not images."""
    fingerprint: str

    @property
    def bytes(self) -> int:
        """Total size of the image files."""
        return sum(file.size for files in self.splits.values() for file in files)


@dataclass(slots=True)
class _SplitFiles:
    """Path, size and modification time of the files of each class of a split."""

    classes: dict[str, list[tuple[str, int, int]]]
    passed_over: int


def list_folder(path: str | os.PathLike[str], seed: int = 0) -> FolderListing:
    """Lists a folder of images; `seed` draws the test images if it has no test split.

    Raises:
      UserError: the folder is missing or empty, has a single class, or its splits differ in
        their classes.
      MachineError: the folder cannot be read.
    """
    root = Path(os.path.expanduser(path))
    folders, loose = _top_level(root)
    splits = _split_folders(root, folders)
    only_train = not splits or set(splits) == {"train"}
    if splits:
        split_files = {name: _walk_classes(root, root / path) for name, path in splits.items()}
        loose += len(set(folders) - set(splits.values()))
    else:
        split_files, loose = {"train": _walk_classes(root, root)}, 0
    classes = _common_classes(root, split_files)
    files = {split: _image_files(members, classes) for split, members in split_files.items()}
    if only_train:
        files = _draw_test_split(files["train"], seed)
    return FolderListing(
        root=root,
        classes=classes,
        splits=files,
        passed_over=loose + sum(members.passed_over for members in split_files.values()),
        fingerprint=_fingerprint(files, classes),
    )


def _top_level(root: Path) -> tuple[list[str], int]:
    """Returns the sub-folders of the root, and the number of files beside them."""
    if not root.exists():
        raise UserError(f"there is no folder {root}", expected=_LAYOUT, hint="check the path")
    if not root.is_dir():
        raise UserError(f"{root} is a file, not a folder of images", expected=_LAYOUT)
    with reading_folder(root):
        entries = visible_entries(root)
    folders = [entry.name for entry in entries if entry.is_dir()]
    images = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in entries)
    if not folders:
        found = f"{images} image files without class folders" if images else "an empty folder"
        raise UserError(f"no class folders in {root}", expected=_LAYOUT, found=found)
    return folders, len(entries) - len(folders)


def _split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Returns the folders that are splits: those of a split's name that contain folders.

    A class may also be called "train" (of vehicles, say); such a folder contains images.
    """
    splits: dict[str, str] = {}
    for folder in folders:
        split = _SPLIT_NAMES.get(folder.lower())
        if split is None or not _has_folders(root / folder):
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


def _has_folders(folder: Path) -> bool:
    with reading_folder(folder):
        return any(entry.is_dir() for entry in visible_entries(folder))


def _walk_classes(root: Path, folder: Path) -> _SplitFiles:
    """Returns the files of each class folder in `folder`."""
    split = _SplitFiles({}, 0)
    with reading_folder(folder):
        for entry in visible_entries(folder):
            if not entry.is_dir():
                split.passed_over += 1
                continue
            files = split.classes[entry.name] = []
            for file in walk_files(Path(entry.path)):
                path = Path(file.path)
                if path.suffix.lower() in SUFFIXES | UNREADABLE_SUFFIXES:
                    files.append((path.relative_to(root).as_posix(), *_size_and_time(file)))
                else:
                    split.passed_over += 1
    return split


def _size_and_time(file: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:  # A broken link: reported as unreadable when it is opened.
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _common_classes(root: Path, splits: Mapping[str, _SplitFiles]) -> tuple[str, ...]:
    """Returns the class names, sorted: equal in all splits, each with images, at least two."""
    first, *others = splits
    classes = sorted(splits[first].classes)
    for other in others:
        missing = sorted(set(classes) - set(splits[other].classes))
        extra = sorted(set(splits[other].classes) - set(classes))
        if missing or extra:
            sides = [f"only in {first}: {_join_names(missing)}"] * bool(missing)
            sides += [f"only in {other}: {_join_names(extra)}"] * bool(extra)
            raise UserError(
                f"the class folders of {first} and {other} differ",
                where=str(root),
                expected="the same class folders in every split",
                found="; ".join(sides),
                hint="rename, move or remove the folders that stand alone",
            )
    empty = [
        f"{split}: {name}"
        for split, members in splits.items()
        for name in classes
        if not members.classes[name]
    ]
    if empty and len(empty) == len(classes) * len(splits):
        raise UserError(
            f"no images in {root}", expected=_LAYOUT, found="class folders without images"
        )
    if empty:
        raise UserError(
            f"{len(empty)} class folder{'s' * (len(empty) > 1)} without images",
            where=str(root),
            expected=f"image files ({' '.join(sorted(SUFFIXES))}) in every class folder",
            found=_join_names(empty),
            hint="remove the empty folders or fill them",
        )
    if len(classes) < 2:
        raise UserError(
            "only one class" if classes else "no class folders",
            where=str(root),
            expected=f"two class folders or more: {_LAYOUT}",
            found=_join_names(classes) or "no folders",
            hint=_deeper_hint(root, classes),
        )
    return tuple(classes)


def _deeper_hint(root: Path, classes: Sequence[str]) -> str | None:
    """Returns a hint if the class folders are one level further down."""
    if len(classes) == 1 and _has_folders(root / classes[0]):
        return f"did you mean folder:{root / classes[0]}?"
    return None


def _image_files(split: _SplitFiles, classes: Sequence[str]) -> tuple[ImageFile, ...]:
    return tuple(
        ImageFile(path, label, size, modified)
        for label, name in enumerate(classes)
        for path, size, modified in sorted(split.classes[name])
    )


def _draw_test_split(files: tuple[ImageFile, ...], seed: int) -> dict[str, tuple[ImageFile, ...]]:
    labels = np.array([file.label for file in files])
    kept, held_out = stratified_holdout(labels, TEST_FRACTION, seed)
    if not len(held_out):  # As with one image of each class.
        return {"train": files}
    return {"train": tuple(files[i] for i in kept), "test": tuple(files[i] for i in held_out)}


def _fingerprint(files: Mapping[str, Sequence[ImageFile]], classes: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((FORMAT, tuple(classes))).encode())
    for split, members in files.items():
        digest.update(f"\n{split}\n".encode())
        for file in members:
            line = f"{file.path}\0{file.size}\0{file.modified_ns}\0{file.label}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _join_names(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
