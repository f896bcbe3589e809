"""Any example of a prepared TensorFlow Datasets set by its index: random access to TFRecord files.

TFRecord files can only be read in order; the offsets of their records, found in one pass, let an
epoch be any permutation of the examples and start at any batch without decoding those before.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Sequence
from functools import cached_property
from io import FileIO
from pathlib import Path

import numpy as np
import tensorflow as tf

from reszoo.atomic_files import atomic_file
from reszoo.data.source import Element, Portable, cut
from reszoo.data.tfdata_options import without_autotuning
from reszoo.errors import MachineError

_HEADER_BYTES = 12  # length and its checksum
_FRAME_BYTES = 16  # header and the checksum after the data
_REMEMBER_BYTES = 1 << 28
_BUFFER_BYTES = 1 << 16
_JPEG = b"\xff\xd8"


class TFRecordSource:
    """The examples of one data set, all splits one after the other.

    Args:
      shards: the TFRecord files in order.
      channels: channels of the images, as the user is told.
      decode_channels: channels to decode to; 0 keeps what each file has (1 or 3).
      image: name of the feature that holds the encoded image.
      label: name of the feature that holds the class.
      folder: where images that are only referred to lie (feature `path`); None if none are.
      memory: a file that remembers offsets and labels of large sets between runs.
    """

    def __init__(
        self,
        shards: Sequence[Path],
        *,
        channels: int,
        decode_channels: int = 0,
        image: str = "image",
        label: str = "label",
        folder: Path | None = None,
        memory: Path | None = None,
    ) -> None:
        self.channels = channels
        self._shards = list(shards)
        self._decode_channels = decode_channels
        self._image = image
        self._label = label
        self._folder = folder
        self._memory = memory

    def __len__(self) -> int:
        return len(self._index[0])

    @property
    def labels(self) -> np.ndarray:
        """int32 class of every example."""
        return self._index[3].astype(np.int32)

    def whole(self, shape: tuple[int, int, int]) -> np.ndarray | None:
        """None: records are encoded."""
        return None

    def load(self, indices: tf.Tensor) -> Element:
        """The encoded images and labels at some indices."""
        return self.features(indices, {self._image: tf.string, self._label: tf.int64})

    def portable(self, indices: np.ndarray) -> Portable:
        """Shard, offset, size and what lies behind of each example, and how its bytes are read by
        TensorFlow alone: as the only record of fixed length between a header and a footer."""
        shards, offsets, sizes, _ = (column[indices] for column in self._index)
        names = np.array([os.fsencode(shard.absolute()) for shard in self._shards], object)
        lengths = np.array([shard.stat().st_size for shard in self._shards], np.int64)

        def read(
            shard: tf.Tensor, offset: tf.Tensor, size: tf.Tensor, behind: tf.Tensor
        ) -> tf.data.Dataset:
            record = tf.data.FixedLengthRecordDataset(
                tf.constant(names)[shard],
                size,
                header_bytes=offset,
                footer_bytes=behind,
                buffer_size=_BUFFER_BYTES,
            )
            kinds = {self._image: tf.string, self._label: tf.int64}
            return record.map(lambda serialized: self._parsed(serialized, kinds))

        return (shards, offsets, sizes, lengths[shards] - offsets - sizes), read

    def features(self, indices: tf.Tensor, kinds: dict[str, tf.DType]) -> Element:
        """Scalar features, named with their types, at some indices."""
        serialized = tf.numpy_function(self._read, [indices], tf.string)
        return self._parsed(tf.ensure_shape(serialized, [None]), kinds)

    def _parsed(self, serialized: tf.Tensor, kinds: dict[str, tf.DType]) -> Element:
        if self._folder is not None:
            kinds = kinds | {"path": tf.string}
        schema = {name: tf.io.FixedLenFeature([], kind) for name, kind in kinds.items()}
        element = tf.io.parse_example(serialized, schema)
        if self._label in element:
            element["label"] = tf.cast(element.pop(self._label), tf.int32)
        return element

    def image(self, element: Element) -> tf.Tensor:
        """One example's pixels."""
        return decode_jpeg_or_png(self._encoded(element), self._decode_channels)

    def crop(
        self, element: Element, box: Callable[[tf.Tensor], tf.Tensor], *, colours: bool
    ) -> tf.Tensor:
        """A part of one example's pixels; of a JPEG only that part is decoded."""
        encoded = self._encoded(element)
        # Both decoders repeat grey themselves, which costs less than to ask of each image.
        channels = self._decode_channels or (3 if colours else 0)
        jpeg = _is_jpeg(encoded)
        # The size stands in the header of either; of both branches of a condition TensorFlow walks
        # through every operation, so there is little in them.
        size = tf.cond(
            jpeg, lambda: tf.io.extract_jpeg_shape(encoded)[:2], lambda: _png_size(encoded)
        )
        window = box(tf.ensure_shape(size, [2]))
        part = tf.cond(
            jpeg,
            lambda: tf.io.decode_and_crop_jpeg(
                encoded,
                window,
                channels=channels,
                dct_method="INTEGER_ACCURATE",
                # Colours are doubled, not interpolated: a tenth of the time, and what a random
                # crop is stretched by changes more (NVIDIA's DALI reads so unless told otherwise).
                fancy_upscaling=False,
            ),
            lambda: cut(tf.io.decode_png(encoded, channels=channels), window),
        )
        return _with_channels(part, channels)

    def _encoded(self, element: Element) -> tf.Tensor:
        encoded = element[self._image]
        if self._folder is None:
            return encoded
        path = tf.strings.join([os.fsencode(self._folder) + b"/", element["path"]])
        return tf.cond(
            tf.strings.length(encoded) > 0, lambda: encoded, lambda: tf.io.read_file(path)
        )

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Shard, offset, size and label of every record."""
        large = sum(shard.stat().st_size for shard in self._shards) > _REMEMBER_BYTES
        if not large or self._memory is None:
            return self._scan()
        # What is missing or damaged there is found out anew.
        unreadable = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)
        with contextlib.suppress(*unreadable), np.load(self._memory) as stored:
            return stored["shard"], stored["offset"], stored["size"], stored["label"]
        shard, offset, size, label = self._scan()
        # A cache that cannot be written costs time at the next start, nothing else.
        with contextlib.suppress(MachineError), atomic_file(self._memory) as file:
            np.savez(file, shard=shard, offset=offset, size=size, label=label)
        return shard, offset, size, label

    def _scan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        schema = {self._label: tf.io.FixedLenFeature([], tf.int64)}

        def facts(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.strings.length(serialized), tf.io.parse_example(serialized, schema)[
                self._label
            ]

        shards, offsets, sizes, labels = [], [], [], []
        for number, path in enumerate(self._shards):
            batches = tf.data.TFRecordDataset([str(path)], buffer_size=8 << 20).batch(1024)
            facts_read = without_autotuning(batches.map(facts, num_parallel_calls=2))
            read = list(facts_read.as_numpy_iterator())
            size = np.concatenate([part[0] for part in read] or [np.zeros(0)]).astype(np.int64)
            ends = np.cumsum(size + _FRAME_BYTES)
            shards.append(np.full(len(size), number, np.int32))
            offsets.append(ends - size - _FRAME_BYTES + _HEADER_BYTES)
            sizes.append(size)
            labels.append(
                np.concatenate([part[1] for part in read] or [np.zeros(0)]).astype(np.int32)
            )
        return (
            np.concatenate(shards),
            np.concatenate(offsets),
            np.concatenate(sizes),
            np.concatenate(labels),
        )

    def _read(self, indices: np.ndarray) -> np.ndarray:
        """The serialized records at some indices; each shard is opened once."""
        shards, offsets, sizes, _ = self._index
        result = np.empty(len(indices), object)
        for number in np.unique(shards[indices]):
            with self._shards[number].open("rb", buffering=0) as file:
                for place in np.flatnonzero(shards[indices] == number):
                    index = indices[place]
                    file.seek(offsets[index])
                    result[place] = _read_exactly(file, int(sizes[index]))
        return result


def decode_jpeg_or_png(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """The pixels of a JPEG or PNG, uint8; with `channels` 0 as many as the file has."""
    image = tf.cond(
        _is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=channels, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels=channels),
    )
    return _with_channels(image, channels)


def _is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(_JPEG)) == _JPEG


def _png_size(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width, from the first chunk, which every PNG begins with."""
    sides = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    return tf.reverse(sides, [0])


def _with_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    return tf.ensure_shape(image, [None, None, channels or None])


def _read_exactly(file: FileIO, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size:  # A raw read may return less than was asked for.
        more = file.read(size - len(data))
        if not more:
            raise MachineError(
                f"prepared data are incomplete: {file.name}", hint="remove the file's folder"
            )
        data += more
    return data
