"""Checking image files: decoding shows whether each is plain, odd or broken.

A plain file is a JPEG or PNG that TensorFlow decodes to the same pixels as `decode`, so the
pipeline reads it as it is. Any other readable file is odd and is stored as a PNG of `decode`'s
pixels: training and prediction see the same pixels by construction. One decoder reads nearly every
file: TensorFlow those with plain headers, Pillow those that are certainly odd; both read the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm  # type: ignore[import-untyped]

from reszoo.atomic_files import write_text
from reszoo.data.images.decoding import BrokenImageError, decode, read_file
from reszoo.data.images.plain_headers import plain_form
from reszoo.data.images.tensor_decoding import JPEG_START, decode_jpeg
from reszoo.data.sources.folder.broken_files import BrokenFile
from reszoo.data.sources.folder.listing import FolderListing, ImageFile
from reszoo.errors import MachineError
from reszoo.system_info import usable_cores
from reszoo.visible_output import unfiltered

_GROUP = 64  # files per task of the thread pool
_PROGRESS_FROM = 5_000  # files
_UINT8 = np.dtype(np.uint8)
_CONVERTED = re.compile(r"alpha|RGBA|transparency|CMYK|first frame|rotated")
"""Forms that `decode` converts in ways of its own, so that TensorFlow's pixels are others."""


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
        total=total,
        desc="checking images",
        unit=" files",
        disable=disable,
        leave=False,
        file=unfiltered(sys.stderr),
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


def contents_hashes(listing: FolderListing, cache: Path) -> dict[str, str]:
    """Returns a hash of the bytes of each readable file, by its path.

    They are kept in the file `cache`, beside the data that were prepared of the same listing.
    """
    with contextlib.suppress(OSError, ValueError):
        stored: dict[str, str] = json.loads(cache.read_text(encoding="ascii"))
        return stored
    paths = [file.path for files in listing.splits.values() for file in files]
    with ThreadPoolExecutor(usable_cores()) as pool:
        hashes = pool.map(lambda path: _contents_hash(listing.root / path), paths)
        found = {path: digest for path, digest in zip(paths, hashes, strict=True) if digest}
    with contextlib.suppress(MachineError):  # A cache that cannot be written only costs time.
        write_text(cache, json.dumps(found))
    return found


def _contents_hash(path: Path) -> str | None:
    try:
        return hashlib.blake2b(read_file(path), digest_size=16).hexdigest()
    except BrokenImageError:
        return None


def check_image(encoded: bytes) -> ImageFacts:
    """Returns the facts of one encoded image; raises BrokenImageError."""
    form = plain_form(encoded)
    pixels = _tensorflow_pixels(encoded) if form else None
    if form is None or pixels is None:
        return _check_unusual(encoded)
    height, width, channels = pixels.shape
    return ImageFacts(height, width, channels, form, True, _digest(pixels), None)


def _check_unusual(encoded: bytes) -> ImageFacts:
    """Decodes an image with Pillow and, if the pixels may be the same, with TensorFlow too."""
    pixels, form = decode(encoded)
    (height, width, channels), dtype, digest = pixels.shape, pixels.dtype, _digest(pixels)
    values = _sixteen_bit_values(encoded, pixels)
    sixteen_bit = None if values is None else (int(values.min()), int(values.max()))
    del pixels, values  # before it is decoded again: a large image fits memory few times
    plain = False
    if form.startswith(("JPEG", "PNG", "MPO")) and not _CONVERTED.search(form):
        again = _tensorflow_pixels(encoded, dtype)
        plain = again is not None and _digest(again) == digest
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
    pool = ThreadPoolExecutor(usable_cores())
    try:
        results = pool.map(partial(_check_group, root), groups)
        for group, facts in zip(groups, results, strict=True):
            yield from zip(group, facts, strict=True)
    finally:
        # After Ctrl-C waiting groups are cancelled, so that the program ends at once.
        pool.shutdown(cancel_futures=True)


def _check_group(root: Path, files: Sequence[ImageFile]) -> list[ImageFacts | str]:
    with tf.device("CPU:0"):
        return [_check_file(root, file) for file in files]


def _check_file(root: Path, file: ImageFile) -> ImageFacts | str:
    """Returns the facts of a file, or the reason why it is broken."""
    try:
        return check_image(read_file(root / file.path))
    except BrokenImageError as error:
        return str(error)


def _tensorflow_pixels(encoded: bytes, dtype: np.dtype = _UINT8) -> np.ndarray | None:
    """Returns the pixels that the pipeline reads; None where TensorFlow cannot decode them."""
    try:
        if encoded.startswith(JPEG_START):
            decoded = decode_jpeg(encoded)
        else:
            decoded = tf.io.decode_png(encoded, dtype=tf.as_dtype(dtype))
    except tf.errors.OpError:
        return None
    return np.asarray(memoryview(decoded))  # `numpy()` would copy it


def _sixteen_bit_values(encoded: bytes, pixels: np.ndarray) -> np.ndarray | None:
    """Returns the 16-bit values of an image; Pillow reads those of grey images alone."""
    if pixels.dtype == np.uint16:
        return pixels
    if not (encoded.startswith(b"\x89PNG") and encoded[24:25] == b"\x10"):
        return None
    with tf.device("CPU:0"):
        values: np.ndarray = tf.io.decode_png(encoded, channels=3, dtype=tf.uint16).numpy()
    return values
