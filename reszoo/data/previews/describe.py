"""Descriptions of data sets: counts, sizes, kinds of files and broken ones."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from reszoo.data.dataset import ImageData
from reszoo.data.previews.findings import findings
from reszoo.data.source import decode_each
from reszoo.data.sources.arrays import ArraySource
from reszoo.data.sources.tfrecord import TFRecordSource

_SAMPLE_SIZE = 1000
_READ_SIZE = 4096


@dataclass(frozen=True)
class Range:
    """Minimum, median and maximum of some numbers."""

    least: int
    median: int
    greatest: int

    def __str__(self) -> str:
        if self.least == self.greatest:
            return f"{self.least}"
        return f"{self.least} to {self.greatest}, median {self.median}"


@dataclass(frozen=True)
class Description:
    """A data set in numbers."""

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    """Number of images of each class in each split."""
    channels: int
    """Channels of the images; the maximum where they differ."""
    heights: Range
    widths: Range
    measured: int
    """Number of images whose sizes were measured."""
    forms: Mapping[str, int]
    """Number of files of each form, such as `JPEG RGB rotated`, in descending order."""
    odd: int
    """Number of files that have to be converted (rotated, transparent, CMYK, animated, ...)."""
    broken: tuple[tuple[str, str], ...]
    """Path and reason of files that cannot be read."""
    passed_over: int
    """Number of files that are not images."""
    findings: tuple[str, ...] = ()
    """Sentences on links, pictures in two splits, missing classes and 16-bit values."""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return dataclasses.asdict(self)

    def notes(self) -> list[str]:
        """Returns sentences on what to consider before training."""
        notes = []
        if self.broken:
            notes.append(
                f"unreadable files: {len(self.broken):,}; training needs --skip-bad-images"
            )
        if self.odd:
            notes.append(
                f"unusual files converted (rotated, flattened, made grey or RGB): {self.odd:,}"
            )
        if self.passed_over:
            notes.append(f"ignored files that are not images: {self.passed_over:,}")
        for split, counts in self.counts.items():
            present = [count for count in counts.values() if count]
            least, most = min(present, default=0), max(present, default=0)
            if most >= 3 * max(least, 1):
                rare = next(name for name, count in counts.items() if count == least)
                notes.append(
                    f"classes of {split} are imbalanced, from {least:,} images ({rare}) to "
                    f"{most:,}; consider --class-weights balanced"
                )
        if self.channels == 3 and any(" grey" in form for form in self.forms):
            notes.append("some images are grey; their channel is repeated three times")
        return notes + list(self.findings)


def describe(data: ImageData) -> Description:
    """Describes a data set; broken files are listed if it is opened with `skip_bad_images=True`."""
    sizes, forms = _sizes_and_forms(data)
    return Description(
        name=data.name,
        classes=data.classes,
        splits=dict(data.splits),
        counts={
            split: dict(zip(data.classes, data.split(split).counts, strict=True))
            for split in data.splits
        },
        channels=data.channels,
        heights=_range(sizes[:, 0]),
        widths=_range(sizes[:, 1]),
        measured=len(sizes),
        forms=dict(forms.most_common()),
        odd=int(data.facts.get("odd", 0)),
        broken=tuple((file.path, file.reason) for file in data.skipped),
        passed_over=int(data.facts.get("passed_over", 0)),
        findings=tuple(findings(data)),
    )


def _sizes_and_forms(data: ImageData) -> tuple[np.ndarray, Counter[str]]:
    """Returns heights and widths, shape (images, 2), and the number of files of each form."""
    kind = {1: "grey", 3: "RGB"}.get(data.channels, f"{data.channels} channels")
    if isinstance(data.source, ArraySource):
        return data.source.sizes, Counter({f"array {kind}": len(data.source)})
    if "forms" in data.facts and isinstance(data.source, TFRecordSource):
        return _stored_sizes(data.source), Counter(data.facts["forms"])
    if data.smallest is not None:
        total = sum(data.splits.values())
        return np.broadcast_to(np.array(data.smallest), (total, 2)), Counter({kind: total})
    return _sampled_sizes(data), Counter({kind: sum(data.splits.values())})


def _stored_sizes(source: TFRecordSource) -> np.ndarray:
    """Returns the sizes stored in a folder's records."""
    sizes = []
    for first in range(0, len(source), _READ_SIZE):
        indices = tf.range(first, min(first + _READ_SIZE, len(source)), dtype=tf.int64)
        element = source.features(indices, {"height": tf.int64, "width": tf.int64})
        sizes.append(np.stack([element["height"].numpy(), element["width"].numpy()], axis=1))
    return np.concatenate(sizes)


def _sampled_sizes(data: ImageData) -> np.ndarray:
    """Returns the sizes of a sample: decoding all of a large data set would take long."""
    sample = data.split("all").sample(_SAMPLE_SIZE)
    return np.array([image.shape[:2] for image in decode_each(data.source, sample.indices)])


def _range(numbers: np.ndarray) -> Range:
    return Range(int(numbers.min()), int(np.median(numbers)), int(numbers.max()))
