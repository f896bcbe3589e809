"""What is in a data set, before anyone trains on it: counts, sizes, kinds of files, broken ones."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from reszoo.data.dataset import ImageData
from reszoo.data.sources.arrays import ArraySource
from reszoo.data.sources.tfrecord import TFRecordSource

_SAMPLE = 1000
_TOGETHER = 4096


@dataclass(frozen=True)
class Range:
    """Least, median and greatest of some numbers."""

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
    """Images of each class in each split."""
    channels: int
    """Channels images are given to a network with, unless it wants another number."""
    heights: Range
    widths: Range
    measured: int
    """How many images the sizes and forms were taken from."""
    forms: Mapping[str, int]
    """Kinds of files and how many there are, such as `JPEG RGB rotated`; the commonest first."""
    odd: int
    """Files that had to be made plain (rotated, transparent, CMYK, animated and the like)."""
    broken: tuple[tuple[str, str], ...]
    """Files that cannot be read and why."""
    passed_over: int
    """Files that are no images."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    def notes(self) -> list[str]:
        """What a person should know before training, in sentences; empty where all is ordinary."""
        notes = []
        if self.broken:
            notes.append(
                f"{len(self.broken):,} files cannot be read; training needs --skip-bad-images"
            )
        if self.odd:
            notes.append(f"{self.odd:,} odd files are made plain: turned, flattened or converted")
        if self.passed_over:
            notes.append(f"{self.passed_over:,} files that are no images are passed over")
        for split, counts in self.counts.items():
            least, most = min(counts.values()), max(counts.values())
            if most >= 3 * max(least, 1):
                rare = min(counts, key=lambda name: counts[name])
                notes.append(
                    f"classes of {split} are uneven, from {least:,} images ({rare}) to {most:,}; "
                    "consider --class-weights balanced"
                )
        if self.channels == 3 and any(" grey" in form for form in self.forms):
            notes.append("some images are grey; they are repeated to three channels")
        return notes


def describe(data: ImageData) -> Description:
    """Describes a data set. Open it with `skip_bad_images=True` to see broken files named."""
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
    )


def _sizes_and_forms(data: ImageData) -> tuple[np.ndarray, Counter[str]]:
    """Heights and widths, shape (images, 2), and how many files there are of each form."""
    kind = (
        "grey"
        if data.channels == 1
        else "RGB"
        if data.channels == 3
        else f"{data.channels} channels"
    )
    if isinstance(data.source, ArraySource):
        return data.source.sizes, Counter({f"array {kind}": len(data.source)})
    if "forms" in data.facts and isinstance(data.source, TFRecordSource):
        return _recorded_sizes(data.source), Counter(data.facts["forms"])
    if data.smallest is not None:
        total = sum(data.splits.values())
        return np.broadcast_to(np.array(data.smallest), (total, 2)), Counter({kind: total})
    return _sampled_sizes(data), Counter({kind: sum(data.splits.values())})


def _recorded_sizes(source: TFRecordSource) -> np.ndarray:
    """The sizes a folder's records remember."""
    sizes = []
    for first in range(0, len(source), _TOGETHER):
        indices = tf.range(first, min(first + _TOGETHER, len(source)), dtype=tf.int64)
        element = source.features(indices, {"height": tf.int64, "width": tf.int64})
        sizes.append(np.stack([element["height"].numpy(), element["width"].numpy()], axis=1))
    return np.concatenate(sizes)


def _sampled_sizes(data: ImageData) -> np.ndarray:
    """Sizes of images spread over the whole set: decoding all of a large one would take long."""
    chosen = data.split("all").sample(_SAMPLE).indices
    elements = data.source.load(tf.constant(chosen))
    names = list(elements)
    sizes = []
    for number in range(len(chosen)):
        image = data.source.image({name: elements[name][number] for name in names})
        sizes.append(image.shape[:2])
    return np.array(sizes)


def _range(numbers: np.ndarray) -> Range:
    return Range(int(numbers.min()), int(np.median(numbers)), int(numbers.max()))
