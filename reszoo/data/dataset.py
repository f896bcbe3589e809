"""Data sets: splits of labelled images by index, however they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reszoo.data.images.image_format import ImageFormat
from reszoo.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from reszoo.data.source import Source

_SLICE = re.compile(r"^\s*([\w-]+)\s*(?:\[\s*(-?\d+%?)?\s*:\s*(-?\d+%?)?\s*\])?\s*$")


@dataclass(frozen=True, eq=False)
class Split:
    """Examples of a data set in a fixed order."""

    name: str
    classes: tuple[str, ...]
    source: Source = field(repr=False)
    indices: np.ndarray = field(repr=False)
    """Indices of the examples in the source, int64."""
    decoded: dict[ImageFormat, np.ndarray] = field(default_factory=dict, repr=False)
    """The pipeline's cache of decoded images, uint8, for the image format last requested."""

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of each example, int32."""
        return self.source.labels[self.indices]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of examples of each class."""
        return tuple(int(count) for count in np.bincount(self.labels, minlength=len(self.classes)))

    def subset(self, indices: np.ndarray | Sequence[int]) -> Split:
        """Returns the examples at `indices` of this split, in that order."""
        chosen = self.indices[np.asarray(indices, np.int64)]
        return Split(self.name, self.classes, self.source, chosen)

    def sample(self, count: int) -> Split:
        """Returns up to `count` evenly spaced examples."""
        return self.subset(evenly_spaced(len(self), count))


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set of labelled images.

    `split` selects examples. `channels` and `smallest` are what a network has to fit; `skipped`
    holds the files that were left out, with the reasons.
    """

    name: str
    """The word the user wrote, such as `digits` or `folder:photos`."""
    classes: tuple[str, ...]
    source: Source = field(repr=False)
    splits: Mapping[str, int]
    """Number of examples of each split, in the order in which they lie in the source."""
    skipped: tuple[Any, ...] = ()
    """Unreadable files that were left out: values with `path` and `reason`."""
    smallest: tuple[int, int] | None = None
    """Minimum height and minimum width of the images; None where unknown."""
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Findings of preparing a folder: forms, odd files, ignored files."""

    @property
    def channels(self) -> int:
        """Channels of the images: 1 if all are grey, else 3 (of arrays, their own number)."""
        return self.source.channels

    @property
    def only_split(self) -> str | None:
        """Name of the only split, as of one pair of arrays; None if there are several."""
        return next(iter(self.splits)) if len(self.splits) == 1 else None

    def split(self, expression: str = "train") -> Split:
        """Returns the examples that an expression in the syntax of TensorFlow Datasets selects.

        Args:
          expression: `train`, `train[:80%]`, `test[100:200]`, `train+test`, `all`.

        Raises:
          UserError: there is no such split, it is empty, or the expression is malformed.
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
        offset = sum(list(self.splits.values())[: list(self.splits).index(name)])
        count = self.splits[name]
        bounds = slice(_parse_bound(start, count), _parse_bound(stop, count))
        return offset + np.arange(count, dtype=np.int64)[bounds]

    def _counts(self) -> str:
        return ", ".join(f"{name} ({count:,})" for name, count in self.splits.items())


def evenly_spaced(length: int, count: int) -> np.ndarray:
    """Returns up to `count` evenly spaced indices of a sequence of `length` items."""
    return np.linspace(0, length - 1, min(length, count)).astype(np.int64)


def numbered_classes(count: int) -> tuple[str, ...]:
    """Returns the class names of data or networks without names: "0", "1", "2", ..."""
    return tuple(str(number) for number in range(count))


def _parse_bound(text: str | None, count: int) -> int | None:
    """Returns the index that `80%` or `100` means, rounded as TensorFlow Datasets rounds."""
    if text is None:
        return None
    return round(float(text[:-1]) * count / 100) if text.endswith("%") else int(text)
