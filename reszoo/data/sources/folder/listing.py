"""What lies in a folder of images: splits, classes, files, and a fingerprint that notices changes.

Two layouts are read:

- `train/<class>/*` beside `test/<class>/*`, with or without `val/` (or `validation/`);
- class folders at the top, of which a fifth of each class, drawn with a seed, becomes `test`. A
  lone `train/` is read so too. Folders of so few images that a fifth is none have only `train`.

Images may lie deeper inside a class folder. Hidden files are passed over; other files that are no
images are counted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reszoo.data.images.decoding import OTHER_SUFFIXES, SUFFIXES
from reszoo.data.splits import stratified_holdout
from reszoo.errors import MachineError, UserError

TEST_FRACTION = 0.2
"""Share of each class that becomes `test` where a folder has no splits of its own."""

FORMAT = 1
"""Part of every fingerprint: raised when prepared data change their meaning."""

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
    """One image file: its path below the root with forward slashes, and its class."""

    path: str
    label: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class FolderListing:
    """All that is in a folder of images, before any image is opened."""

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[ImageFile, ...]]
    passed_over: int
    """Files that are no images."""
    fingerprint: str

    @property
    def bytes(self) -> int:
        """The size of all image files together."""
        return sum(file.size for files in self.splits.values() for file in files)


@dataclass(slots=True)
class _Found:
    """Files per class while a split's folder is being walked."""

    classes: dict[str, list[tuple[str, int, int]]]
    passed_over: int


def list_folder(path: str | os.PathLike[str], seed: int = 0) -> FolderListing:
    """Lists a folder of images.

    Args:
      path: the folder.
      seed: which images become `test` where the folder has no splits of its own.

    Raises:
      UserError: the folder is missing, empty, has one class only, or classes that differ between
        its splits.
    """
    root = Path(os.path.expanduser(path))
    folders, loose = _top(root)
    splits = _split_folders(root, folders)
    alone = not splits or set(splits) == {"train"}
    if splits:
        found = {split: _walk_classes(root, root / folder) for split, folder in splits.items()}
        loose += len(set(folders) - set(splits.values()))
    else:
        found, loose = {"train": _walk_classes(root, root)}, 0
    classes = _agreed_classes(root, found)
    files = {split: _files(one, classes) for split, one in found.items()}
    if alone:
        files = _with_test(files["train"], seed)
    return FolderListing(
        root=root,
        classes=classes,
        splits=files,
        passed_over=loose + sum(one.passed_over for one in found.values()),
        fingerprint=_fingerprint(files, classes),
    )


def _top(root: Path) -> tuple[list[str], int]:
    """The sub-folders of the root, and how many files lie beside them."""
    if not root.exists():
        raise UserError(f"there is no folder {root}", expected=_LAYOUT, hint="check the path")
    if not root.is_dir():
        raise UserError(f"{root} is a file, not a folder of images", expected=_LAYOUT)
    try:
        entries = _entries(root)
    except OSError as error:
        raise _unreadable(error, root) from error
    folders = [entry.name for entry in entries if entry.is_dir()]
    images = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in entries)
    if not folders:
        found = f"{images} image files without class folders" if images else "an empty folder"
        raise UserError(f"no class folders in {root}", expected=_LAYOUT, found=found)
    return folders, len(entries) - len(folders)


def _split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Which folders are splits: those with a split's name and folders inside.

    A class may be called "train" too (of vehicles, say): then images lie in it, not folders.
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
    try:
        return any(entry.is_dir() for entry in _entries(folder))
    except OSError as error:
        raise _unreadable(error, folder) from error


def _walk_classes(root: Path, folder: Path) -> _Found:
    """The files of each class folder in `folder`."""
    found = _Found({}, 0)
    try:
        for entry in _entries(folder):
            if not entry.is_dir():
                found.passed_over += 1
            else:
                found.classes[entry.name] = []
                for path, size, modified in _walk(Path(entry.path), set()):
                    suffix = Path(path).suffix.lower()
                    if suffix in SUFFIXES or suffix in OTHER_SUFFIXES:
                        below = Path(path).relative_to(root).as_posix()
                        found.classes[entry.name].append((below, size, modified))
                    else:
                        found.passed_over += 1
    except OSError as error:
        raise _unreadable(error, folder) from error
    return found


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of every file below a folder; links are followed, but never in a ring."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _walk(Path(entry.path), seen)
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:  # A link to nowhere: named as unreadable when it is opened.
            yield entry.path, 0, 0
            continue
        yield entry.path, status.st_size, status.st_mtime_ns


def _agreed_classes(root: Path, found: Mapping[str, _Found]) -> tuple[str, ...]:
    """The class names, sorted: the same in every split, each with images, at least two."""
    first, *others = found
    classes = sorted(found[first].classes)
    for other in others:
        missing = sorted(set(classes) - set(found[other].classes))
        extra = sorted(set(found[other].classes) - set(classes))
        if missing or extra:
            sides = [f"only in {first}: {_named(missing)}"] * bool(missing)
            sides += [f"only in {other}: {_named(extra)}"] * bool(extra)
            raise UserError(
                f"the class folders of {first} and {other} differ",
                where=str(root),
                expected="the same class folders in every split",
                found="; ".join(sides),
                hint="rename, move or remove the folders that stand alone",
            )
    empty = [
        f"{split}: {name}"
        for split, one in found.items()
        for name in classes
        if not one.classes[name]
    ]
    if empty and len(empty) == len(classes) * len(found):
        raise UserError(
            f"no images in {root}", expected=_LAYOUT, found="class folders without images"
        )
    if empty:
        raise UserError(
            f"{len(empty)} class folder{'s' * (len(empty) > 1)} without images",
            where=str(root),
            expected=f"image files ({' '.join(sorted(SUFFIXES))}) in every class folder",
            found=_named(empty),
            hint="remove the empty folders or fill them",
        )
    if len(classes) < 2:
        raise UserError(
            "only one class" if classes else "no class folders",
            where=str(root),
            expected=f"two class folders or more: {_LAYOUT}",
            found=_named(classes) or "no folders",
            hint=_deeper(root, classes),
        )
    return tuple(classes)


def _deeper(root: Path, classes: Sequence[str]) -> str | None:
    """Where to look instead, if the class folders lie one folder further down."""
    if len(classes) == 1 and _has_folders(root / classes[0]):
        return f"did you mean folder:{root / classes[0]}?"
    return None


def _files(found: _Found, classes: Sequence[str]) -> tuple[ImageFile, ...]:
    return tuple(
        ImageFile(path, label, size, modified)
        for label, name in enumerate(classes)
        for path, size, modified in sorted(found.classes[name])
    )


def _with_test(files: tuple[ImageFile, ...], seed: int) -> dict[str, tuple[ImageFile, ...]]:
    labels = np.array([file.label for file in files])
    kept, held_out = stratified_holdout(labels, TEST_FRACTION, seed)
    if not len(held_out):  # One image of each class: there is none to spare.
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


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted by name, without hidden files."""
    with os.scandir(folder) as entries:
        shown = [e for e in entries if not e.name.startswith(".") and e.name != "__MACOSX"]
    return sorted(shown, key=lambda entry: entry.name)


def _named(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _unreadable(error: OSError, folder: Path) -> MachineError:
    return MachineError(
        f"cannot read {error.filename or folder}: {error.strerror or error}",
        hint="check the folder's permissions",
    )
