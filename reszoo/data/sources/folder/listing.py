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

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reszoo.data.dataset import check_classes, nfc
from reszoo.data.images.image_files import (
    SUFFIXES,
    UNREADABLE_SUFFIXES,
    FileWalk,
    reading_folder,
    visible_entries,
)
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.path_hints import missing_path_hint

TEST_FRACTION = 0.2
"""Share of each class that becomes `test` if a folder has no test split."""

FORMAT = 2
"""Version of prepared data, part of every fingerprint."""

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


@dataclass(slots=True)
class _SplitFiles:
    """Path, size and modification time of the files of each class of a split."""

    classes: dict[str, list[tuple[str, int, int]]]
    passed_over: int
    ignored_links: list[str]


def list_folder(path: str | os.PathLike[str], seed: int = 0) -> FolderListing:
    """Lists a folder of images; `seed` draws the test images if it has no test split.

    Raises:
      UserError: the folder is missing or empty, has a single class, or a class of another split
        has no training images.
      MachineError: the folder cannot be read.
    """
    root = Path(os.path.expanduser(path))
    folders, loose = _top_level(root)
    splits = _split_folders(root, folders)
    only_train = not splits or set(splits) == {"train"}
    if splits:
        loose += len(set(folders) - set(splits.values()))
    else:
        splits, loose = {"train": ""}, 0
    with reading_folder(root):
        others = [other for path in splits.values() for other in _real_folders(root / path)]
    split_files = {name: _walk_classes(root, root / path, others) for name, path in splits.items()}
    classes = _common_classes(root, split_files)
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


def require_folder(path: str | os.PathLike[str]) -> None:
    """Raises a `UserError` where there is no folder of this name."""
    root = Path(os.path.expanduser(path))
    if not root.exists():
        raise UserError(
            f"there is no folder {root}", expected=_LAYOUT, hint=missing_path_hint(root)
        )
    if not root.is_dir():
        raise UserError(
            f"{root} is a file, not a folder of images",
            expected=_LAYOUT,
            hint="name the folder that holds the class folders",
        )


def _top_level(root: Path) -> tuple[list[str], int]:
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
            expected=_LAYOUT,
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


def _split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Returns the folders that are splits: those of a split's name that contain folders.

    A class may also be called "train" (of vehicles, say); such a folder contains images.
    """
    splits: dict[str, str] = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.lower())
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
        return bool(_folders(folder))


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in visible_entries(folder) if entry.is_dir()]


def _real_folders(folder: Path) -> list[Path]:
    """Returns the real paths of the folders in a folder; only links are resolved one by one."""
    real = folder.resolve()
    return [
        Path(entry).resolve() if entry.is_symlink() else real / entry.name
        for entry in _folders(folder)
    ]


def _walk_classes(root: Path, folder: Path, others: Sequence[Path]) -> _SplitFiles:
    """Returns the files of each class folder in `folder`; `others` are those of all splits."""
    split = _SplitFiles({}, 0, [])
    walk, real = FileWalk(others, root.resolve(), split.ignored_links), folder.resolve()
    with reading_folder(folder):
        # A class folder may be a link, but not to a class that is there already.
        classes = [real / entry.name for entry in _folders(folder) if not entry.is_symlink()]
        for entry in visible_entries(folder):
            if not entry.is_dir():
                split.passed_over += 1
                continue
            if entry.is_symlink():
                if FileWalk(classes, root.resolve()).leads_to_others(Path(entry)):
                    split.ignored_links.append(entry.path)
                    continue
                classes.append(Path(entry).resolve())
            files = split.classes[entry.name] = []
            for file in walk.files(Path(entry.path)):
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
    """Returns the class names, sorted: those of the first split, each with images, at least two.

    The other splits take the first one's spelling of the names; what they lack is empty in them.
    """
    first, *others = splits
    spelling = _by_nfc(root, first, splits[first])
    for other in others:
        names = _by_nfc(root, other, splits[other])
        files = {name: splits[other].classes[spelled] for name, spelled in names.items()}
        extra = sorted(names[name] for name in files if files[name] and name not in spelling)
        if extra:
            raise UserError(
                f"{other} has classes that {first} lacks",
                where=str(root),
                expected=f"images of every class in {first}/",
                found=_join_names(extra),
                hint=f"put images of {_join_names(extra)} into {first}/, or move the folders of "
                f"that name out of {other}/",
            )
        splits[other].classes = {spelled: files.get(name, []) for name, spelled in spelling.items()}
    classes = sorted(splits[first].classes)
    hollow = [split for split, members in splits.items() if not any(members.classes.values())]
    if len(hollow) == len(splits):
        raise UserError(
            f"no images in {root}",
            expected=_LAYOUT,
            found="class folders without images",
            hint=f"put image files ({' '.join(sorted(SUFFIXES))}) into the class folders",
        )
    if hollow:
        raise UserError(
            f"no images in the split '{hollow[0]}'",
            where=str(root),
            expected="images in its class folders",
            found="none",
            hint=f"put images into the class folders of '{hollow[0]}', or remove its folder",
        )
    empty = [name for name in classes if not splits[first].classes[name]]
    if empty:
        raise UserError(
            f"{len(empty)} class folder{'s' * (len(empty) > 1)} without images",
            where=str(root),
            expected=f"image files ({' '.join(sorted(SUFFIXES))}) in every class folder"
            + f" of {first}/" * (len(splits) > 1),
            found=_join_names(empty),
            hint="fill the empty folders, or remove them"
            + " and the folders of that name in every split" * (len(splits) > 1),
        )
    _refuse_unreadable_names(root, classes)
    check_classes(len(classes), str(root), classes, hint=_deeper_hint(root, classes))
    return tuple(classes)


def _by_nfc(root: Path, split: str, members: _SplitFiles) -> dict[str, str]:
    """Returns the names of a split's class folders by their NFC, in which they should differ."""
    names: dict[str, str] = {}
    for name in members.classes:
        other = names.setdefault(nfc(name), name)
        if other != name:
            raise UserError(
                "two class folders look alike: their names differ only in Unicode normalisation",
                where=f"{root}, {split}",
                expected="class names that differ in NFC",
                found=" and ".join(sorted(map(ascii, (other, name)))),
                hint="move the images of one into the other, and remove the empty folder",
            )
    return names


def _refuse_unreadable_names(root: Path, classes: Sequence[str]) -> None:
    """Refuses class names that are no text: runs and bundles store them as UTF-8."""
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(
                "the name of a class folder is not UTF-8",
                where=str(root),
                expected="names in UTF-8, as other systems write them",
                found=str(os.fsencode(name)),
                hint="rename the folder; an archive from Windows may have to be unpacked with "
                "another encoding, such as `unzip -O cp437`",
            ) from None


def _deeper_hint(root: Path, classes: Sequence[str]) -> str:
    """Returns what to do about a single class: perhaps the classes are one level further down."""
    if len(classes) == 1 and _has_folders(root / classes[0]):
        return f"did you mean folder:{root / classes[0]}?"
    return "add a folder of images for each further class"


def _image_files(split: _SplitFiles, classes: Sequence[str]) -> tuple[ImageFile, ...]:
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


def _join_names(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
