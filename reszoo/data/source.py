"""What the pipeline asks of any store of labelled images: records on disk or arrays in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

Element = dict[str, Any]
"""One example (or, from `load`, several) as named tensors, whatever the source keeps."""

Portable = tuple[tuple[np.ndarray, ...], Callable[..., tf.data.Dataset]]
"""What to know of each example, and what makes of that a dataset of the one element."""


class Source(Protocol):
    """Labelled images by index."""

    channels: int
    """Channels of the images; the most that occur where they differ."""

    def __len__(self) -> int: ...

    @property
    def labels(self) -> np.ndarray:
        """int32 class of every image."""
        ...

    def whole(self, shape: tuple[int, int, int]) -> np.ndarray | None:
        """All images as one uint8 array, where they lie in memory in this shape already."""
        ...

    def load(self, indices: tf.Tensor) -> Element:
        """The examples at some indices, still encoded, as tensors with a common first axis."""
        ...

    def image(self, element: Element) -> tf.Tensor:
        """One example's pixels: uint8, shape (height, width, channels)."""
        ...

    def crop(
        self, element: Element, box: Callable[[tf.Tensor], tf.Tensor], *, colours: bool
    ) -> tf.Tensor:
        """A part of one example's pixels.

        `box` goes from the image's height and width to top, left, height and width, all int32.
        With `colours` a grey image may come with its channel repeated already.
        """
        ...

    def portable(self, indices: np.ndarray) -> Portable | None:
        """How another machine reads the examples at some indices; None where only this process
        has them."""
        ...


def cut(image: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """The part of an image in a box (top, left, height, width)."""
    top, left, height, width = tf.unstack(box)
    return image[top : top + height, left : left + width]
