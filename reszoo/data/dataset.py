"""Data sets: splits of labelled images by index, however they are stored."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reszoo.data.fingerprint import Fingerprint
from reszoo.data.images.image_format import ImageFormat
from reszoo.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import tensorflow as tf

    from reszoo.data.source import Element, Source

MAX_CLASSES = 1_000_000
"""No data set known has more; a label beyond is no number of a class but a mistake."""

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
    fingerprint: Fingerprint | None = field(default=None, repr=False)
    """By which a run recognises the images; None of data sets whose name stands for them."""

    @property
    def channels(self) -> int:
        """Channels of the images: 1 if all are grey, else 3 (of arrays, their own number)."""
        return self.source.channels

    @property
    def value_range(self) -> tuple[int, int] | None:
        """Minimum and maximum of the training split's 16-bit grey images, None without any."""
        bounds = self.facts.get("sixteen_bit", {}).get(self.only_split or "train")
        return None if bounds is None else (int(bounds[0]), int(bounds[1]))

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
            largest = max(self.splits, key=lambda name: self.splits[name])
            raise UserError(
                f"the split '{expression}' of {self.name} is empty",
                found=self._counts(),
                hint=f"write {largest}, which has images",
            )
        return Split(expression, self.classes, self.source, indices)

    def with_class_order(self, classes: Sequence[str]) -> ImageData:
        """Returns the data with its labels renumbered as in `classes`, by name in Unicode's NFC."""
        numbered = self.classes == numbered_classes(len(self.classes))
        if numbered or tuple(classes[: len(self.classes)]) == self.classes:
            return self
        positions = {nfc(name): number for number, name in enumerate(classes)}
        numbers = np.array([positions[nfc(name)] for name in self.classes], np.int32)
        source = RenumberedSource(self.source, numbers)
        return replace(self, classes=tuple(classes), source=source)

    def _indices(self, part: str, expression: str) -> np.ndarray:
        match = _SLICE.match(part)
        if match is None:
            raise UserError(
                f"'{expression}' is not a split",
                expected="such as train, train[:80%], test[100:200], train+test or all",
                found=expression,
                hint=f"write {' or '.join(self.splits)}",
            )
        name, start, stop = match.groups()
        if name not in self.splits:
            raise UserError(
                f"{self.name} has no split '{name}'",
                expected=self._counts(),
                hint=did_you_mean(name, self.splits) or f"write {' or '.join(self.splits)}",
            )
        offset = sum(list(self.splits.values())[: list(self.splits).index(name)])
        count = self.splits[name]
        bounds = slice(_parse_bound(start, count), _parse_bound(stop, count))
        return offset + np.arange(count, dtype=np.int64)[bounds]

    def _counts(self) -> str:
        return ", ".join(f"{name} ({count:,})" for name, count in self.splits.items())


@dataclass(frozen=True, eq=False)
class RenumberedSource:
    """A source whose labels are numbered in another order."""

    source: Source
    numbers: np.ndarray
    """The new number of each class."""

    def __len__(self) -> int:
        return len(self.source)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    @property
    def labels(self) -> np.ndarray:
        """Class of each image, int32."""
        old = self.source.labels
        # Some public test splits hide their labels behind -1.
        return np.where(old < 0, old, self.numbers[old]).astype(np.int32)

    def load(self, indices: tf.Tensor) -> Element:
        """Returns the encoded examples at some indices, with their new labels."""
        import tensorflow as tf  # Only training and evaluation load examples.

        element = self.source.load(indices)
        old = element["label"]
        new = tf.gather(tf.constant(self.numbers), tf.maximum(old, 0))
        return element | {"label": tf.where(old < 0, old, new)}

    def remote_reader(self, indices: np.ndarray) -> None:
        """Returns None: only training reads on other machines."""


def nfc(name: str) -> str:
    """Returns a class name in the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def evenly_spaced(length: int, count: int) -> np.ndarray:
    """Returns up to `count` evenly spaced indices of a sequence of `length` items."""
    return np.linspace(0, length - 1, min(length, count)).astype(np.int64)


def check_classes(count: int, name: str, names: Sequence[str] = (), *, hint: str = "") -> None:
    """Refuses data of one class or of too many, before a name is made for each.

    Raises:
      UserError: there are fewer than two classes, or more than `MAX_CLASSES`.
    """
    if count < 2:
        raise UserError(
            f"fewer than two classes in {name}: there is nothing to classify",
            expected="two classes or more",
            found=", ".join(names) or "one class or none",
            hint=hint or "add images of another class",
        )
    if count > MAX_CLASSES:
        raise UserError(
            f"{count:,} classes in {name} are too many",
            expected=f"labels below {MAX_CLASSES:,}",
            found=f"labels up to {count - 1:,}",
            hint="number the classes that occur 0, 1, 2, ...: np.unique(labels, "
            "return_inverse=True)[1] does so",
        )


def numbered_classes(count: int) -> tuple[str, ...]:
    """Returns the class names of data or networks without names: "0", "1", "2", ..."""
    return tuple(str(number) for number in range(count))


def _parse_bound(text: str | None, count: int) -> int | None:
    """Returns the index that `80%` or `100` means, rounded as TensorFlow Datasets rounds."""
    if text is None:
        return None
    return round(float(text[:-1]) * count / 100) if text.endswith("%") else int(text)
