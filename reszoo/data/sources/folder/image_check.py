"""Checking image files: decoding each once shows whether it is plain, odd or broken.

A plain file is a JPEG or PNG that TensorFlow decodes to the same pixels as `decode`, so the
pipeline reads it as it is. Any other readable file is odd and is stored as a PNG of `decode`'s
pixels: training and prediction see the same pixels by construction.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm  # type: ignore[import-untyped]

from reszoo.data.images.decoding import BrokenImageError, decode, read_file
from reszoo.data.sources.folder.listing import FolderListing, ImageFile
from reszoo.data.sources.tfrecord import decode_jpeg_or_png

_GROUP = 256  # files per task of the thread pool
_PROGRESS_FROM = 5_000  # files


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Size, channels and form of an image file."""

    height: int
    width: int
    channels: int
    form: str
    """Contents of the file, such as "JPEG RGB" or "PNG palette"."""
    plain: bool
    digest: bytes
    """Hash of the decoded pixels and their shape: equal for the same picture in two files."""
    sixteen_bit: tuple[int, int] | None
    """Minimum and maximum of 16-bit values, None for 8-bit images."""

    @property
    def deep_colour(self) -> bool:
        """Whether it is a 16-bit colour image, of which only the high byte is read."""
        return self.sixteen_bit is not None and "16-bit grey" not in self.form


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """An image file that cannot be read, with the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CheckedImages:
    """The files of a listing: the readable ones with their facts, and the broken ones."""

    splits: dict[str, tuple[tuple[ImageFile, ImageFacts], ...]]
    broken: tuple[BrokenFile, ...]


def check_images(listing: FolderListing) -> CheckedImages:
    """Decodes every file of a listing, with a progress bar on a terminal."""
    splits: dict[str, tuple[tuple[ImageFile, ImageFacts], ...]] = {}
    broken: list[BrokenFile] = []
    total = sum(len(files) for files in listing.splits.values())
    # tqdm: None disables the bar unless on a terminal.
    disable = None if total >= _PROGRESS_FROM else True
    with tqdm(
        total=total, desc="checking images", unit=" files", disable=disable, leave=False
    ) as bar:
        for split, files in listing.splits.items():
            readable: list[tuple[ImageFile, ImageFacts]] = []
            for file, result in _check_in_parallel(listing.root, files):
                if isinstance(result, ImageFacts):
                    readable.append((file, result))
                else:
                    broken.append(BrokenFile(file.path, result))
                bar.update()
            splits[split] = tuple(readable)
    return CheckedImages(splits, tuple(broken))


def check_image(encoded: bytes) -> ImageFacts:
    """Returns the facts of one encoded image; raises BrokenImageError."""
    pixels, form = decode(encoded)
    (height, width, channels), dtype, digest = pixels.shape, pixels.dtype, _digest(pixels)
    values = _sixteen_bit_values(encoded, pixels)
    sixteen_bit = None if values is None else (int(values.min()), int(values.max()))
    del pixels, values  # before it is decoded again: a large image fits memory few times
    plain = _tensorflow_digest(encoded, dtype, form) == digest
    return ImageFacts(height, width, channels, form, plain, digest, sixteen_bit)


def _digest(pixels: np.ndarray) -> bytes:
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _check_in_parallel(
    root: Path, files: Sequence[ImageFile]
) -> Iterator[tuple[ImageFile, ImageFacts | str]]:
    """Yields each file with its facts, or with the reason why it is broken, in order."""
    groups = [files[first : first + _GROUP] for first in range(0, len(files), _GROUP)]
    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    try:
        results = pool.map(lambda group: [_check_file(root, file) for file in group], groups)
        for group, facts in zip(groups, results, strict=True):
            yield from zip(group, facts, strict=True)
    finally:
        # After Ctrl-C waiting groups are cancelled, so that the program ends at once.
        pool.shutdown(cancel_futures=True)


def _check_file(root: Path, file: ImageFile) -> ImageFacts | str:
    """Returns the facts of a file, or the reason why it is broken."""
    try:
        return check_image(read_file(root / file.path))
    except BrokenImageError as error:
        return str(error)


def _tensorflow_digest(encoded: bytes, dtype: np.dtype, form: str) -> bytes | None:
    """Returns the hash of TensorFlow's pixels; None where it cannot decode the image."""
    if not form.startswith(("JPEG", "PNG", "MPO")):
        return None
    try:
        with tf.device("CPU:0"):
            if dtype == np.uint16:
                decoded = tf.io.decode_png(encoded, dtype=tf.uint16)
            else:
                decoded = decode_jpeg_or_png(tf.constant(encoded), 0)
    except tf.errors.OpError:
        return None
    return _digest(np.asarray(memoryview(decoded)))  # `numpy()` would copy it


def _sixteen_bit_values(encoded: bytes, pixels: np.ndarray) -> np.ndarray | None:
    """Returns the 16-bit values of an image; Pillow reads those of grey images alone."""
    if pixels.dtype == np.uint16:
        return pixels
    if not (encoded.startswith(b"\x89PNG") and encoded[24:25] == b"\x10"):
        return None
    with tf.device("CPU:0"):
        values: np.ndarray = tf.io.decode_png(encoded, channels=3, dtype=tf.uint16).numpy()
    return values
