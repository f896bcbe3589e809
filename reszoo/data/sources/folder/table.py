"""Listing images from a table: a CSV file of image files, their labels and, perhaps, splits.

    file,label,split
    photos/0001.jpg,cat,train
    "photos/black, white.jpg",dog,test

Columns are found by their names, in any order; others are ignored. Paths are relative to the table.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reszoo.counted import counted
from reszoo.data.dataset import check_classes, nfc
from reszoo.data.sources.folder.folder_layout import SPLIT_NAMES
from reszoo.data.sources.folder.listing import (
    FolderListing,
    ImageFile,
    draw_test_split,
    fingerprint,
)
from reszoo.errors import UserError
from reszoo.path_hints import missing_path_hint
from reszoo.regular_files import require_regular_file

COLUMNS = {
    "file": ("file", "filename", "file_name", "path", "filepath", "image", "image_path"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "subset", "set", "partition"),
}
"""Names of the columns, in lower case."""

_DELIMITERS = ",;\t"
_MOST_NAMED = 5
_LAYOUT = "a header line and a line per image: file,label or file,label,split"


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    file: str
    label: str
    split: str | None


def require_table(path: str | os.PathLike[str]) -> None:
    """Raises a `UserError` where there is no file of this name."""
    table = Path(os.path.expanduser(path))
    if not table.exists():
        raise UserError(
            f"there is no file {table}", expected=_LAYOUT, hint=missing_path_hint(table)
        )
    if table.is_dir():
        raise UserError(
            f"{table} is a folder, not a table of images",
            expected=_LAYOUT,
            hint=f"write folder:{table} if it has a folder per class",
        )


def list_table(path: str | os.PathLike[str], seed: int = 0) -> FolderListing:
    """Lists the images of a table; `seed` draws the test images if it names no test split.

    Raises:
      UserError: the table is missing, has no such columns or rows, names files that do not exist or
        the same file twice, or has a single class.
    """
    require_table(path)
    table = Path(os.path.expanduser(path))
    rows = list(_read_rows(table))
    if not rows:
        raise UserError(
            f"no images in {table}",
            expected=_LAYOUT,
            found="a header line alone",
            hint="add a line for each image",
        )
    classes = _classes(rows)
    check_classes(len(classes), str(table), classes, hint="label images with another class")
    files = _files(table, rows, classes)
    order: tuple[str, ...] = ("train", "validation", "test")
    splits = {split: files[split] for split in order if split in files}
    _require_trained(table, splits, classes)
    if set(splits) == {"train"}:
        splits = draw_test_split(splits["train"], seed)
    return FolderListing(
        root=table.parent,
        table=table,
        classes=classes,
        splits=splits,
        passed_over=0,
        ignored_links=(),
        fingerprint=fingerprint(splits, classes),
    )


def _read_rows(table: Path) -> Iterator[_Row]:
    require_regular_file(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            delimiter = max(_DELIMITERS, key=header.count)
            names = next(csv.reader([header], delimiter=delimiter), [])
            columns = _columns(table, names)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for values in reader:
                if any(value.strip() for value in values):
                    yield _row(table, reader.line_num + 1, values, columns)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{table} is not UTF-8",
            expected="a CSV file in UTF-8",
            found=f"byte {error.object[error.start]:#04x}",
            hint="save the table as CSV in UTF-8",
        ) from None
    except csv.Error as error:
        raise UserError(
            f"{table} is not a CSV file",
            where=f"{table}:{reader.line_num + 1}",
            expected=_LAYOUT,
            found=str(error),
            hint='write a comma in a name in quotes: "black, white.jpg"',
        ) from None


def _columns(table: Path, names: Sequence[str]) -> dict[str, int]:
    """Returns the position of each column by what it holds."""
    lower = [name.strip().lower() for name in names]
    columns = {
        kind: lower.index(known[0])
        for kind, words in COLUMNS.items()
        if (known := [word for word in words if word in lower])
    }
    missing = [kind for kind in ("file", "label") if kind not in columns]
    if missing:
        raise UserError(
            f"no column of {missing[0]}s",
            where=f"{table}:1",
            expected=f"a column {', '.join(COLUMNS[missing[0]][:-1])} or {COLUMNS[missing[0]][-1]}",
            found=", ".join(names) or "an empty line",
            hint=f"name the columns in the first line: {_LAYOUT.rpartition(': ')[2]}",
        )
    return columns


def _row(table: Path, line: int, values: Sequence[str], columns: Mapping[str, int]) -> _Row:
    where = f"{table}:{line}"
    cells = {
        kind: values[index].strip() if index < len(values) else ""
        for kind, index in columns.items()
    }
    empty = next((kind for kind, cell in cells.items() if not cell), None)
    if empty is not None:
        raise UserError(
            f"a line without a {empty}",
            where=where,
            expected=f"a {empty} in column {columns[empty] + 1}",
            found=", ".join(values),
            hint=f"write the {empty}, or remove the line",
        )
    split = cells.get("split")
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise UserError(
            f"there is no split '{split}'",
            where=where,
            expected="train, validation or test",
            found=split,
            hint="write one of them",
        )
    name = SPLIT_NAMES[split.lower()] if split is not None else None
    return _Row(line, cells["file"], nfc(cells["label"]), name)


def _classes(rows: Sequence[_Row]) -> tuple[str, ...]:
    """Returns the labels in order: numbers by value, names by the alphabet."""
    labels = {row.label for row in rows}
    if all(label.isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _files(
    table: Path, rows: Sequence[_Row], classes: Sequence[str]
) -> dict[str, tuple[ImageFile, ...]]:
    labels = {name: label for label, name in enumerate(classes)}
    files: dict[str, list[ImageFile]] = {}
    lines: dict[str, int] = {}
    missing: list[_Row] = []
    for row in rows:
        path = os.path.relpath(table.parent / row.file, table.parent).replace(os.sep, "/")
        if (first := lines.setdefault(path, row.line)) != row.line:
            raise UserError(
                f"{row.file} is listed twice",
                where=f"{table}:{row.line}",
                expected="a line per file",
                found=f"the same file in line {first}",
                hint="remove one of the lines",
            )
        try:
            status = os.stat(table.parent / path)
        except OSError:
            missing.append(row)
            continue
        files.setdefault(row.split or "train", []).append(
            ImageFile(path, labels[row.label], status.st_size, status.st_mtime_ns)
        )
    if missing:
        raise _missing_files(table, missing)
    return {
        split: tuple(sorted(members, key=lambda file: (file.label, file.path)))
        for split, members in files.items()
    }


def _missing_files(table: Path, rows: Sequence[_Row]) -> UserError:
    names = [f"{row.file} (line {row.line})" for row in rows[:_MOST_NAMED]]
    rest = len(rows) - len(names)
    return UserError(
        f"{counted(len(rows), 'file of the table does', 'files of the table do')} not exist",
        where=str(table),
        expected=f"paths relative to {table.parent}/, or absolute ones",
        found=", ".join(names) + (f" and {rest} more" if rest else ""),
        hint="correct the paths, or remove these lines",
    )


def _require_trained(
    table: Path, splits: Mapping[str, Sequence[ImageFile]], classes: Sequence[str]
) -> None:
    trained = {file.label for file in splits.get("train", ())}
    untrained = [name for label, name in enumerate(classes) if label not in trained]
    if untrained:
        rest = len(untrained) - _MOST_NAMED
        raise UserError(
            f"{len(untrained)} class{'es' * (len(untrained) > 1)} without training images",
            where=str(table),
            expected="lines of every class with the split train",
            found=", ".join(untrained[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else ""),
            hint="move some of their lines to train, or remove them",
        )
