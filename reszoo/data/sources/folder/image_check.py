"""Is an image file plain, odd or broken? Every file of a folder is decoded once to find out.

A plain file is a JPEG or PNG that TensorFlow decodes to the very pixels `read_image` gives, so
the fast pipeline may read it as it is. Every other readable file is odd and is kept as a PNG of
what `read_image` gives: training and prediction see the same pixels by construction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm  # type: ignore[import-untyped]

from reszoo.data.images.decoding import OTHER_SUFFIXES, BrokenImageError, decode, read_file
from reszoo.data.sources.folder.listing import ImageFile, FolderListing
from reszoo.data.sources.tfrecord import decode_jpeg_or_png

_AT_ONCE = 256
_SHOW_FROM = 5_000


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What decoding a file once has shown."""

    height: int
    width: int
    channels: int
    form: str
    """What the file holds, such as "JPEG RGB" or "PNG palette"."""
    plain: bool


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """An image file that cannot be read, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CheckedImages:
    """Every file of a listing: those that can be read with their facts, and the broken ones."""

    splits: dict[str, tuple[tuple[ImageFile, ImageFacts], ...]]
    broken: tuple[BrokenFile, ...]


def examine(listing: FolderListing) -> CheckedImages:
    """Decodes every file of a listing; on a terminal a bar shows how far it is."""
    splits: dict[str, tuple[tuple[ImageFile, ImageFacts], ...]] = {}
    broken: list[BrokenFile] = []
    total = sum(len(files) for files in listing.splits.values())
    # None: a bar on a terminal only.
    silent = None if total >= _SHOW_FROM else True
    with tqdm(
        total=total, desc="checking images", unit=" files", disable=silent, leave=False
    ) as bar:
        for split, files in listing.splits.items():
            good: list[tuple[ImageFile, ImageFacts]] = []
            for file, result in _in_parallel(listing.root, files):
                if isinstance(result, ImageFacts):
                    good.append((file, result))
                else:
                    broken.append(BrokenFile(file.path, result))
                bar.update()
            splits[split] = tuple(good)
    return CheckedImages(splits, tuple(broken))


def check_image(encoded: bytes) -> ImageFacts:
    """The facts of one encoded image.

    Raises:
      BrokenImageError: it cannot be read.
    """
    pixels, form = decode(encoded)
    height, width, channels = pixels.shape
    return ImageFacts(height, width, channels, form, _same_in_tensorflow(encoded, pixels, form))


def _in_parallel(
    root: Path, files: Sequence[ImageFile]
) -> Iterator[tuple[ImageFile, ImageFacts | str]]:
    """Each file with its facts, or with what is wrong with it, in order."""
    groups = [files[first : first + _AT_ONCE] for first in range(0, len(files), _AT_ONCE)]
    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    try:
        results = pool.map(lambda group: [_one(root, file) for file in group], groups)
        for group, found in zip(groups, results, strict=True):
            yield from zip(group, found, strict=True)
    finally:
        # After Ctrl-C the groups that wait are given up, so that the program ends at once.
        pool.shutdown(cancel_futures=True)


def _one(root: Path, file: ImageFile) -> ImageFacts | str:
    """The facts of a file, or what is wrong with it."""
    suffix = Path(file.path).suffix.lower()
    if suffix in OTHER_SUFFIXES:
        return f"{suffix[1:].upper()} files are not read; save it as PNG or JPEG"
    try:
        return check_image(read_file(root / file.path))
    except BrokenImageError as error:
        return str(error)


def _same_in_tensorflow(encoded: bytes, pixels: np.ndarray, form: str) -> bool:
    if not form.startswith(("JPEG", "PNG", "MPO")):
        return False
    try:
        with tf.device("CPU:0"):
            decoded = decode_jpeg_or_png(tf.constant(encoded), 0).numpy()
    except tf.errors.OpError:
        return False
    return np.array_equal(decoded, pixels)
