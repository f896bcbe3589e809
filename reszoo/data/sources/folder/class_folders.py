"""Class folders of a split: their files, and the classes that all splits share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reszoo.data.dataset import check_classes, nfc
from reszoo.data.images.image_files import (
    SUFFIXES,
    UNREADABLE_SUFFIXES,
    FileWalk,
    reading_folder,
    visible_entries,
)
from reszoo.data.sources.folder.folder_layout import LAYOUT, has_folders, subfolders
from reszoo.errors import UserError


@dataclass(slots=True)
class SplitFiles:
    """Path, size and modification time of the files of each class of a split."""

    classes: dict[str, list[tuple[str, int, int]]]
    passed_over: int
    ignored_links: list[str]


def real_folders(folder: Path) -> list[Path]:
    """Returns the real paths of the folders in a folder; only links are resolved one by one."""
    real = folder.resolve()
    return [
        Path(entry).resolve() if entry.is_symlink() else real / entry.name
        for entry in subfolders(folder)
    ]


def walk_classes(root: Path, folder: Path, others: Sequence[Path]) -> SplitFiles:
    """Returns the files of each class folder in `folder`; `others` are those of all splits."""
    split = SplitFiles({}, 0, [])
    walk, real = FileWalk(others, root.resolve(), split.ignored_links), folder.resolve()
    with reading_folder(folder):
        # A class folder may be a link, but not to a class that is there already.
        classes = [real / entry.name for entry in subfolders(folder) if not entry.is_symlink()]
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


def common_classes(root: Path, splits: Mapping[str, SplitFiles]) -> tuple[str, ...]:
    """Returns the class names, sorted: those of the first split, each with images, at least two.

    The other splits take the first one's spelling of the names; what they lack is empty in them.
    """
    _spell_alike(root, splits)
    _require_images(root, splits)
    classes = sorted(next(iter(splits.values())).classes)
    _refuse_unreadable_names(root, classes)
    check_classes(len(classes), str(root), classes, hint=_deeper_hint(root, classes))
    return tuple(classes)


def _spell_alike(root: Path, splits: Mapping[str, SplitFiles]) -> None:
    """Gives all splits the classes of the first one; refuses other classes."""
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


def _require_images(root: Path, splits: Mapping[str, SplitFiles]) -> None:
    """Refuses folders and splits without images, and classes without training images."""
    suffixes = " ".join(sorted(SUFFIXES))
    hollow = [split for split, members in splits.items() if not any(members.classes.values())]
    if len(hollow) == len(splits):
        raise UserError(
            f"no images in {root}",
            expected=LAYOUT,
            found="class folders without images",
            hint=f"put image files ({suffixes}) into the class folders",
        )
    if hollow:
        raise UserError(
            f"no images in the split '{hollow[0]}'",
            where=str(root),
            expected="images in its class folders",
            found="none",
            hint=f"put images into the class folders of '{hollow[0]}', or remove its folder",
        )
    first, members = next(iter(splits.items()))
    empty = sorted(name for name, files in members.classes.items() if not files)
    if empty:
        raise UserError(
            f"{len(empty)} class folder{'s' * (len(empty) > 1)} without images",
            where=str(root),
            expected=f"image files ({suffixes}) in every class folder"
            + f" of {first}/" * (len(splits) > 1),
            found=_join_names(empty),
            hint="fill the empty folders, or remove them"
            + " and the folders of that name in every split" * (len(splits) > 1),
        )


def _by_nfc(root: Path, split: str, members: SplitFiles) -> dict[str, str]:
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
    if len(classes) == 1 and has_folders(root / classes[0]):
        return f"did you mean folder:{root / classes[0]}?"
    return "add a folder of images for each further class"


def _join_names(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
