"""Listing image folders: splits, classes, files, and a fingerprint that detects changes.

Two layouts are supported:

- `train/<class>/*` and `test/<class>/*`, with or without `val/` (or `validation/`);
- class folders at the top, or in a lone `train/`: a seeded, stratified fifth of the images becomes
  `test` (if there are so few that it is empty, there is only `train`).

Images may be nested deeper in a class folder. Hidden files and folders of the system are ignored;
other files that are not images are counted. A link to a folder is followed unless it leads to
another class, to the data or above them, or to what was read already. Every class has training
images; `validation` and `test` may lack some. Class names are equal if they are in Unicode's NFC.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reszoo.data.images.image_files import reading_folder
from reszoo.data.sources.folder.class_folders import (
    SplitFiles,
    common_classes,
    real_folders,
    walk_classes,
)
from reszoo.data.sources.folder.folder_layout import split_folders, top_level
from reszoo.data.splits import stratified_holdout

TEST_FRACTION = 0.2
"""Share of each class that becomes `test` if a folder has no test split."""

FORMAT = 2
"""Version of prepared data, part of every fingerprint."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file: its path relative to the root, with forward slashes, and its class."""

    path: str
    label: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The contents of a folder, or a table, of images, before any image is opened."""

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[ImageFile, ...]]
    passed_over: int
    """Number of files that are not images."""
    ignored_links: tuple[str, ...]
    """Links to folders that are not followed, relative to the root."""
    fingerprint: str
    table: Path | None = None
    """The table that lists the files, None for a folder."""

    @property
    def origin(self) -> Path:
        """The folder, or the table that names its files."""
        return self.table or self.root

    @property
    def bytes(self) -> int:
        """Total size of the image files."""
        return sum(file.size for files in self.splits.values() for file in files)


def list_folder(path: str | os.PathLike[str], seed: int = 0) -> FolderListing:
    """Lists a folder of images; `seed` draws the test images if it has no test split.

    Raises:
      UserError: the folder is missing or empty, has a single class, or a class of another split
        has no training images.
      MachineError: the folder cannot be read.
    """
    root = Path(os.path.expanduser(path))
    folders, loose = top_level(root)
    splits = split_folders(root, folders)
    only_train = not splits or set(splits) == {"train"}
    if splits:
        loose += len(set(folders) - set(splits.values()))
    else:
        splits, loose = {"train": ""}, 0
    with reading_folder(root):
        others = [other for path in splits.values() for other in real_folders(root / path)]
    split_files = {name: walk_classes(root, root / path, others) for name, path in splits.items()}
    classes = common_classes(root, split_files)
    files = {split: _image_files(members, classes) for split, members in split_files.items()}
    if only_train:
        files = draw_test_split(files["train"], seed)
    return FolderListing(
        root=root,
        classes=classes,
        splits=files,
        passed_over=loose + sum(members.passed_over for members in split_files.values()),
        ignored_links=tuple(
            Path(link).relative_to(root).as_posix()
            for members in split_files.values()
            for link in members.ignored_links
        ),
        fingerprint=fingerprint(files, classes),
    )


def _image_files(split: SplitFiles, classes: Sequence[str]) -> tuple[ImageFile, ...]:
    return tuple(
        ImageFile(path, label, size, modified)
        for label, name in enumerate(classes)
        for path, size, modified in sorted(split.classes[name])
    )


def draw_test_split(files: tuple[ImageFile, ...], seed: int) -> dict[str, tuple[ImageFile, ...]]:
    """Returns `train` and a seeded, stratified `test` of the files of a single split."""
    labels = np.array([file.label for file in files])
    kept, held_out = stratified_holdout(labels, TEST_FRACTION, seed)
    if not len(held_out):  # As with one image of each class.
        return {"train": files}
    return {"train": tuple(files[i] for i in kept), "test": tuple(files[i] for i in held_out)}


def fingerprint(files: Mapping[str, Sequence[ImageFile]], classes: Sequence[str]) -> str:
    """Returns a hash of the classes and of each file's path, size, time and label."""
    digest = hashlib.sha256(repr((FORMAT, tuple(classes))).encode())
    for split, members in files.items():
        digest.update(f"\n{split}\n".encode())
        for file in members:
            line = f"{file.path}\0{file.size}\0{file.modified_ns}\0{file.label}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
