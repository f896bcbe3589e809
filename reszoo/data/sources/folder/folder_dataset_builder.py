"""The TensorFlow Datasets builder of a folder of images: what a prepared folder holds.

Each record has the encoded image or, in a folder of more than a gibibyte, the path to it: a large
folder is not copied. Odd files are always kept in the record, as PNG. Records are shuffled by
their path's hash, as TensorFlow Datasets does, so `train[:80%]` is a fair sample of the classes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reszoo.data.images.decoding import decode, encode_png, read_file
from reszoo.data.sources.cache import LocalDatasetInfo
from reszoo.data.sources.folder.image_check import CheckedImages, ImageFacts
from reszoo.data.sources.folder.listing import ImageFile, FolderListing

EMBED_BYTES = 1 << 30
"""Folders up to this size are copied into the records, larger ones are referred to."""


class FolderBuilder(tfds.core.GeneratorBasedBuilder):
    """Prepares a listed and examined folder; opened on prepared data it only reads."""

    VERSION = tfds.core.Version("1.0.0")
    name = "folder"

    def __init__(self, *, listing: FolderListing, examined: CheckedImages | None, data_dir: str) -> None:
        self._listing = listing
        self._examined = examined
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
            metadata=tfds.core.MetadataDict(self._summary() if self._examined else {}),
        )

    def _summary(self) -> dict[str, Any]:
        """What is known of the folder as a whole, kept beside the records."""
        assert self._examined is not None
        facts = [fact for members in self._examined.splits.values() for _, fact in members]
        return {
            "classes": list(self._listing.classes),
            "channels": max((fact.channels for fact in facts), default=0),
            "smallest": [
                min((f.height for f in facts), default=0),
                min((f.width for f in facts), default=0),
            ],
            "forms": dict(Counter(fact.form for fact in facts)),
            "odd": sum(not fact.plain for fact in facts),
            "broken": [[file.path, file.reason] for file in self._examined.broken],
            "passed_over": self._listing.passed_over,
            "embedded": self._listing.bytes <= EMBED_BYTES,
        }

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded.
        assert self._examined is not None
        return {split: self._generate_examples(split) for split in self._examined.splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        assert self._examined is not None
        embed = self._listing.bytes <= EMBED_BYTES
        for file, facts in self._examined.splits[split]:
            path = os.fsencode(file.path)
            yield (
                path.decode("latin-1"),
                {
                    "image": _kept(self._listing.root, file, facts, embed),
                    "path": path,
                    "label": file.label,
                    "form": facts.form,
                    "height": facts.height,
                    "width": facts.width,
                },
            )


def _kept(root: Path, file: ImageFile, facts: ImageFacts, embed: bool) -> bytes:
    """The encoded image that goes into a record; nothing where the file itself will be read."""
    if facts.plain and not embed:
        return b""
    encoded = read_file(root / file.path)
    return encoded if facts.plain else encode_png(decode(encoded)[0])
