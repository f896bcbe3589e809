"""What a data name opens: splits of labelled images by index, whatever they are stored as."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from reszoo.data.images.resizing import ImageFormat
from reszoo.data.source import Source
from reszoo.errors import UserError, did_you_mean

_SLICE = re.compile(r"^\s*([\w-]+)\s*(?:\[\s*(-?\d+%?)?\s*:\s*(-?\d+%?)?\s*\])?\s*$")


@dataclass(frozen=True, eq=False)
class Split:
    """Some examples of a data set in a fixed order."""

    name: str
    classes: tuple[str, ...]
    source: Source = field(repr=False)
    indices: np.ndarray = field(repr=False)
    """Where the examples stand in the source, int64."""
    decoded: dict[ImageFormat, np.ndarray] = field(default_factory=dict, repr=False)
    """The images in memory, uint8, kept by the pipeline for the image format it was last asked for."""

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def labels(self) -> np.ndarray:
        """int32 class of every example."""
        return self.source.labels[self.indices]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many examples each class has."""
        return tuple(int(count) for count in np.bincount(self.labels, minlength=len(self.classes)))

    def subset(self, indices: np.ndarray | Sequence[int]) -> Split:
        """The examples at some positions of this split, in the order given."""
        positions = np.asarray(indices, np.int64)
        return Split(self.name, self.classes, self.source, self.indices[positions])

    def sample(self, count: int) -> Split:
        """So many examples, spread evenly over this split; all where there are no more."""
        return self.subset(evenly_spaced(len(self), count))


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set of labelled images.

    `split` gives its parts. What the network needs to fit is in `channels` and `smallest`; what
    was left out, and why, in `skipped`.
    """

    name: str
    """The word the user wrote, such as `digits` or `folder:photos`."""
    classes: tuple[str, ...]
    source: Source = field(repr=False)
    splits: Mapping[str, int]
    """How many examples each split has; they lie in the source in this order."""
    skipped: tuple[Any, ...] = ()
    """Broken files that were left out: values with `path` and `reason`."""
    smallest: tuple[int, int] | None = None
    """Least height and least width of any image; None where they are not known beforehand."""
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What preparing a folder has shown: forms, odd files, files passed over."""

    @property
    def channels(self) -> int:
        """1 where all images are grey, else 3 (or what the arrays have)."""
        return self.source.channels

    @property
    def only_split(self) -> str | None:
        """The name of the split where there is only one, as for one pair of arrays."""
        return next(iter(self.splits)) if len(self.splits) == 1 else None

    def split(self, expression: str = "train") -> Split:
        """Some of the examples, in the words of TensorFlow Datasets.

        Args:
          expression: `train`, `train[:80%]`, `test[100:200]`, `train+test`, `all`.

        Raises:
          UserError: there is no such split, or the expression is no split.
        """
        parts = list(self.splits) if expression.strip() == "all" else expression.split("+")
        indices = np.concatenate([self._indices(part, expression) for part in parts])
        if not len(indices):
            raise UserError(
                f"the split '{expression}' of {self.name} is empty", found=self._counts()
            )
        return Split(expression, self.classes, self.source, indices)

    def _indices(self, part: str, expression: str) -> np.ndarray:
        match = _SLICE.match(part)
        if match is None:
            raise UserError(
                f"'{expression}' is no split",
                expected="such as train, train[:80%], test[100:200], train+test or all",
                found=expression,
            )
        name, start, stop = match.groups()
        if name not in self.splits:
            raise UserError(
                f"{self.name} has no split '{name}'",
                expected=self._counts(),
                hint=did_you_mean(name, self.splits),
            )
        offset = 0
        for before, count in self.splits.items():
            if before == name:
                break
            offset += count
        count = self.splits[name]
        return offset + np.arange(count, dtype=np.int64)[_bound(start, count) : _bound(stop, count)]

    def _counts(self) -> str:
        return ", ".join(f"{name} ({count:,})" for name, count in self.splits.items())


def evenly_spaced(length: int, count: int) -> np.ndarray:
    """So many positions, spread evenly over a row of that length; all where there are no more."""
    return np.linspace(0, length - 1, min(length, count)).astype(np.int64)


def _bound(text: str | None, count: int) -> int | None:
    """`80%` or `100` as a position, rounded as TensorFlow Datasets rounds."""
    if text is None:
        return None
    return round(float(text[:-1]) * count / 100) if text.endswith("%") else int(text)
