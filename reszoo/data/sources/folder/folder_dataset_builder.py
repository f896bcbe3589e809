"""The TensorFlow Datasets builder of folders of images.

Each record holds the encoded image or, for folders of more than a gibibyte, its path: large folders
are not copied. Odd files are always stored in the record, as PNG. TensorFlow Datasets shuffles the
records by the hash of their path, so `train[:80%]` is a fair sample of the classes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reszoo.data.images.decoding import decode, encode_png, read_file
from reszoo.data.sources.cache import LocalDatasetInfo
from reszoo.data.sources.folder.image_check import CheckedImages, ImageFacts
from reszoo.data.sources.folder.listing import FolderListing, ImageFile

EMBED_BYTES = 1 << 30
"""Folders up to this size are copied into the records; of larger ones the paths are stored."""


class FolderBuilder(tfds.core.GeneratorBasedBuilder):
    """Prepares a folder whose images have been checked; needs `checked` only for that."""

    VERSION = tfds.core.Version("1.0.0")
    name = "folder"

    def __init__(
        self, *, listing: FolderListing, checked: CheckedImages | None, data_dir: str
    ) -> None:
        self._listing = listing
        self._checked = checked
        super().__init__(data_dir=data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Text(doc="encoded JPEG or PNG; empty where `path` is read"),
                "path": tfds.features.Text(doc="the file below the folder"),
                "label": tfds.features.ClassLabel(num_classes=len(self._listing.classes)),
                "form": tfds.features.Text(doc="what the file was before it was made plain"),
                "height": np.int64,
                "width": np.int64,
            }
        )
        return LocalDatasetInfo(
            builder=self,
            description="Images in class folders",
            features=features,
            metadata=tfds.core.MetadataDict(self._summary() if self._checked else {}),
        )

    def _summary(self) -> dict[str, Any]:
        """Returns facts of the whole folder, stored as the builder's metadata."""
        assert self._checked is not None
        facts = [facts for files in self._checked.splits.values() for _, facts in files]
        return {
            "classes": list(self._listing.classes),
            "channels": max((image.channels for image in facts), default=0),
            "smallest": [
                min((image.height for image in facts), default=0),
                min((image.width for image in facts), default=0),
            ],
            "forms": dict(Counter(image.form for image in facts)),
            "odd": sum(not image.plain for image in facts),
            "broken": [[file.path, file.reason] for file in self._checked.broken],
            "median": [
                int(np.median([image.height for image in facts] or [0])),
                int(np.median([image.width for image in facts] or [0])),
            ],
            "sixteen_bit": {
                split: value_range(facts for _, facts in files if not facts.deep_colour)
                for split, files in self._checked.splits.items()
            },
            "deep_colour": value_range(image for image in facts if image.deep_colour),
            "shared": self._shared_files(),
            "embedded": self._listing.bytes <= EMBED_BYTES,
        }

    def _shared_files(self) -> list[list[str]]:
        """Returns pairs of files with equal pixels, the first of `train`, the other of `test`."""
        assert self._checked is not None
        first, *others = self._checked.splits
        trained = {facts.digest: file.path for file, facts in self._checked.splits[first]}
        return [
            [trained[facts.digest], file.path]
            for other in others
            for file, facts in self._checked.splits[other]
            if facts.digest in trained
        ]

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded.
        assert self._checked is not None
        return {split: self._generate_examples(split) for split in self._checked.splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        assert self._checked is not None
        embed = self._listing.bytes <= EMBED_BYTES
        for file, facts in self._checked.splits[split]:
            path = os.fsencode(file.path)
            yield (
                path.decode("latin-1"),
                {
                    "image": _encoded_image(self._listing.root, file, facts, embed),
                    "path": path,
                    "label": file.label,
                    "form": facts.form,
                    "height": facts.height,
                    "width": facts.width,
                },
            )


def value_range(images: Iterable[ImageFacts]) -> list[int] | None:
    """Returns the minimum and maximum of the 16-bit images among some, None if there are none."""
    ranges = [image.sixteen_bit for image in images if image.sixteen_bit is not None]
    return [min(low for low, _ in ranges), max(high for _, high in ranges)] if ranges else None


def _encoded_image(root: Path, file: ImageFile, facts: ImageFacts, embed: bool) -> bytes:
    """Returns the encoded image of a record; empty if the file itself will be read."""
    if facts.plain and not embed:
        return b""
    encoded = read_file(root / file.path)
    return encoded if facts.plain else encode_png(decode(encoded)[0])
