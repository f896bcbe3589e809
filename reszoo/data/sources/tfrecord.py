"""TFRecord files with random access: any example of prepared data by its index.

TFRecord files are sequential. The offsets of their records, found in one pass, allow any order of
the examples, and starting an epoch at any batch without decoding those before.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from pathlib import Path

import numpy as np
import tensorflow as tf

from reszoo.atomic_files import atomic_file
from reszoo.data.images.decoding import SixteenBit
from reszoo.data.images.tensor_decoding import decode_jpeg_or_png, decode_part
from reszoo.data.source import Element, RemoteReader
from reszoo.data.tfdata_options import unconverted, without_autotuning
from reszoo.errors import MachineError

_HEADER_BYTES = 12  # length and its checksum
_FRAME_BYTES = 16  # header and the checksum after the data
_INDEX_FILE_FROM = 1 << 28  # bytes of records
_BUFFER_BYTES = 1 << 16
_PATHS_AT_ONCE = 256
"""Records that are read together for their paths: they may hold images too."""


@dataclass(eq=False)
class TFRecordSource:
    """The examples of a data set, its splits concatenated."""

    shards: Sequence[Path]
    """The TFRecord files in order."""
    channels: int
    """Channels of the images; the maximum where they differ."""
    decode_channels: int = 0
    """Channels to decode to; 0 keeps those of each file (1 or 3)."""
    image_feature: str = "image"
    label_feature: str = "label"
    root: Path | None = None
    """The folder of the images' files (feature `path`); None if the images have no files."""
    embedded: bool = True
    """Whether the records hold all images; others are read from their files."""
    index_file: Path | None = None
    """A file that stores offsets and labels of large data sets between runs."""
    examples: int | None = None
    """Number of examples of all shards, if known."""

    def __len__(self) -> int:
        return len(self._index[0])

    @property
    def labels(self) -> np.ndarray:
        """Class of each example, int32."""
        return self._index[3].astype(np.int32)

    def in_memory_array(self, shape: tuple[int, int, int]) -> None:
        """Returns None: records are encoded."""

    def load(self, indices: tf.Tensor) -> Element:
        """Returns the encoded images and labels at some indices."""
        return self.features(indices, {self.image_feature: tf.string, self.label_feature: tf.int64})

    def paths(self, indices: np.ndarray) -> list[str] | None:
        """Returns the files of some examples."""
        if self.root is None:
            return None
        paths: list[str] = []
        for start in range(0, len(indices), _PATHS_AT_ONCE):
            chunk = tf.constant(indices[start : start + _PATHS_AT_ONCE])
            names = self.features(chunk, {"path": tf.string})["path"].numpy()
            paths += [os.fsdecode(os.path.join(os.fsencode(self.root), name)) for name in names]
        return paths

    def remote_reader(self, indices: np.ndarray) -> RemoteReader:
        """Returns how TensorFlow alone reads some examples.

        Each is the only record of fixed length between a header and a footer of its shard: its
        values are shard, offset, size and the number of bytes behind it.
        """
        shards, offsets, sizes, _ = (column[indices] for column in self._index)
        names = np.array([os.fsencode(shard.absolute()) for shard in self.shards], object)
        lengths = np.array([shard.stat().st_size for shard in self.shards], np.int64)

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
            kinds = {self.image_feature: tf.string, self.label_feature: tf.int64}
            return record.map(lambda serialized: self._parse(serialized, kinds))

        return (shards, offsets, sizes, lengths[shards] - offsets - sizes), read

    def features(self, indices: tf.Tensor, kinds: dict[str, tf.DType]) -> Element:
        """Returns scalar features, given by name and type, at some indices."""
        serialized = tf.numpy_function(self._read, [indices], tf.string)
        return self._parse(tf.ensure_shape(serialized, [None]), kinds)

    def _parse(self, serialized: tf.Tensor, kinds: dict[str, tf.DType]) -> Element:
        if not self.embedded:
            kinds = kinds | {"path": tf.string}
        schema = {name: tf.io.FixedLenFeature([], kind) for name, kind in kinds.items()}
        element = tf.io.parse_example(serialized, schema)
        if self.label_feature in element:
            element["label"] = tf.cast(element.pop(self.label_feature), tf.int32)
        return element

    def image(self, element: Element, sixteen_bit: SixteenBit = None) -> tf.Tensor:
        """Decodes one example."""
        return decode_jpeg_or_png(self._encoded(element), self.decode_channels, sixteen_bit)

    def crop(
        self,
        element: Element,
        box: Callable[[tf.Tensor], tf.Tensor],
        *,
        colours: bool,
        sixteen_bit: SixteenBit = None,
    ) -> tf.Tensor:
        """Decodes a part of one example; of a JPEG only that part."""
        encoded = self._encoded(element)
        # Both decoders repeat grey themselves, which is cheaper than a condition per image.
        channels = self.decode_channels or (3 if colours else 0)
        return decode_part(encoded, box, channels, sixteen_bit)

    def _encoded(self, element: Element) -> tf.Tensor:
        encoded = element[self.image_feature]
        if self.embedded or self.root is None:
            return encoded
        path = tf.strings.join([os.fsencode(self.root) + b"/", element["path"]])
        return tf.cond(
            tf.strings.length(encoded) > 0, lambda: encoded, lambda: tf.io.read_file(path)
        )

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Shard, offset, size and label of each record."""
        large = sum(shard.stat().st_size for shard in self.shards) > _INDEX_FILE_FROM
        if not large or self.index_file is None:
            return self._scan()
        # A missing or damaged file is made anew.
        unreadable = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)
        with contextlib.suppress(*unreadable), np.load(self.index_file) as stored:
            return stored["shard"], stored["offset"], stored["size"], stored["label"]
        shard, offset, size, label = self._scan()
        # A cache that cannot be written only costs time at the next start.
        with contextlib.suppress(MachineError), atomic_file(self.index_file) as file:
            np.savez(file, shard=shard, offset=offset, size=size, label=label)
        return shard, offset, size, label

    def _scan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        schema = {self.label_feature: tf.io.FixedLenFeature([], tf.int64)}

        @unconverted
        def size_and_label(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            example = tf.io.parse_example(serialized, schema)
            return tf.strings.length(serialized), example[self.label_feature]

        columns, empty = [], np.zeros(0, np.int64)
        for number, path in enumerate(self.shards):
            records = tf.data.TFRecordDataset([str(path)], buffer_size=8 << 20).batch(1024)
            parsed = without_autotuning(records.map(size_and_label, num_parallel_calls=2))
            try:
                pairs = [(empty, empty), *parsed.as_numpy_iterator()]
            except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
                raise _damaged(path) from error
            size, label = (np.concatenate(column) for column in zip(*pairs, strict=True))
            ends = np.cumsum(size + _FRAME_BYTES)
            offset = ends - size - _FRAME_BYTES + _HEADER_BYTES
            shard = np.full(len(size), number, np.int32)
            columns.append((shard, offset, size, label.astype(np.int32)))
        shards, offsets, sizes, labels = map(np.concatenate, zip(*columns, strict=True))
        if self.examples not in (None, len(labels)):
            raise _damaged(self.shards[0])
        return shards, offsets, sizes, labels

    def _read(self, indices: np.ndarray) -> np.ndarray:
        """Returns the serialized records at some indices; each shard is opened once."""
        shards, offsets, sizes, _ = self._index
        result = np.empty(len(indices), object)
        for number in np.unique(shards[indices]):
            with self.shards[number].open("rb", buffering=0) as file:
                for position in np.flatnonzero(shards[indices] == number):
                    index = indices[position]
                    file.seek(offsets[index])
                    result[position] = _read_exactly(file, int(sizes[index]))
        return result


def _damaged(shard: Path) -> MachineError:
    return MachineError(
        f"prepared data are damaged: {shard}",
        hint=f"remove the folder {shard.parent}: its data are prepared again",
    )


def _read_exactly(file: FileIO, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size:  # A raw read may return less than requested.
        more = file.read(size - len(data))
        if not more:
            raise _damaged(Path(file.name))
        data += more
    return data
