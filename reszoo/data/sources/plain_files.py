"""Folders of images and the digits, read without TensorFlow.

Only for reading a whole split once and in any order, as the evaluation of a `.tflite` file does:
TensorFlow takes longer to start than such a file takes for hundreds of images. Pixels are those of
`open_data`, since both read what `decode` reads. The order is that of the names; a slice such as
`test[:50%]` is of the order of the prepared records and is left to `open_data`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reszoo.data.dataset import ImageData
from reszoo.data.images.decoding import BrokenImageError, SixteenBit, decode, read_file, to_8_bits
from reszoo.data.sources.digits.digits import CLASSES, load_digits
from reszoo.data.sources.folder.broken_files import BrokenFile
from reszoo.data.sources.folder.listing import ImageFile, list_folder
from reszoo.data.sources.folder.table import list_table

Image = np.ndarray | BrokenFile

_LISTINGS = {"folder": list_folder, "csv": list_table}


class FileSource:
    """Image files by index."""

    channels = 3

    def __init__(self, root: Path, files: Sequence[ImageFile]) -> None:
        self._root, self._files = root.resolve(), files
        self.labels = np.array([file.label for file in files], np.int32)

    def __len__(self) -> int:
        return len(self._files)

    def paths(self, indices: np.ndarray) -> list[str]:
        """Returns the files of some examples."""
        return [os.path.join(self._root, self._files[index].path) for index in indices]

    def read(self, index: int, sixteen_bit: SixteenBit) -> Image:
        """Returns uint8 `(height, width, channels)`, or the file with the reason it is broken."""
        path = self._files[index].path
        try:
            return to_8_bits(decode(read_file(self._root / path))[0], sixteen_bit)
        except BrokenImageError as error:
            return BrokenFile(path, str(error))


class DigitsSource:
    """The digits by index."""

    channels = 1

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self._images)

    def paths(self, indices: np.ndarray) -> None:
        """Returns None: they lie in one file."""

    def read(self, index: int, sixteen_bit: SixteenBit) -> Image:
        """Returns uint8 `(8, 8, 1)`."""
        del sixteen_bit  # They have 8.
        image: np.ndarray = self._images[index]
        return image


def is_plain(data: object, split: str) -> bool:
    """Whether `open_plain_files` opens these data for this split."""
    if not isinstance(data, str) or "[" in split:
        return False
    kind, _, rest = data.partition(":")
    return data == "digits" or (kind in _LISTINGS and bool(rest))


def open_plain_files(data: object, split: str, seed: int = 0) -> ImageData | None:
    """Opens digits, a folder or a table for a whole split; None where `open_data` is needed.

    Broken files are found when they are read. `seed` draws the test images of a folder that has
    none, as for `open_data`.

    Raises:
      UserError: the folder is missing or empty, or not in class folders.
      MachineError: the folder cannot be read.
    """
    if not isinstance(data, str) or not is_plain(data, split):
        return None
    if data == "digits":
        return _digits()
    kind, _, rest = data.partition(":")
    listing = _LISTINGS[kind](rest, seed)
    files = [file for split_files in listing.splits.values() for file in split_files]
    return ImageData(
        name=data,
        classes=listing.classes,
        source=FileSource(listing.root, files),  # type: ignore[arg-type]
        splits={name: len(listing.splits[name]) for name in listing.splits},
    )


def _digits() -> ImageData:
    images, labels, parts = load_digits()
    order = np.concatenate(list(parts.values()))
    source = DigitsSource(images[order], labels[order])
    sizes = {name: len(part) for name, part in parts.items()}
    return ImageData(name="digits", classes=CLASSES, source=source, splits=sizes)  # type: ignore[arg-type]
