"""The interface of stores of labelled images: records on disk or arrays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from reszoo.data.images.decoding import SixteenBit

Element = dict[str, Any]
"""One example (or, from `load`, several) as named tensors; the names are the source's own."""

RemoteReader = tuple[tuple[np.ndarray, ...], Callable[..., tf.data.Dataset]]
"""Arrays with a value for each example, and a function from one's values to a dataset of it."""


class Source(Protocol):
    """Labelled images by index."""

    channels: int
    """Channels of the images; the maximum where they differ."""

    def __len__(self) -> int: ...

    @property
    def labels(self) -> np.ndarray:
        """Class of each image, int32."""

    def in_memory_array(self, shape: tuple[int, int, int]) -> np.ndarray | None:
        """Returns all images as one uint8 array if they are in memory in this shape, else None."""

    def load(self, indices: tf.Tensor) -> Element:
        """Returns the encoded examples at some indices, as tensors with a common first axis."""

    def image(self, element: Element, sixteen_bit: SixteenBit = None) -> tf.Tensor:
        """Decodes one example: uint8, shape (height, width, channels)."""

    def crop(
        self,
        element: Element,
        box: Callable[[tf.Tensor], tf.Tensor],
        *,
        colours: bool,
        sixteen_bit: SixteenBit = None,
    ) -> tf.Tensor:
        """Decodes a part of one example: uint8, shape (height, width, channels).

        `box` maps the image's height and width to top, left, height and width, all int32.
        With `colours` a grey image may be returned with its channel repeated.
        """

    def paths(self, indices: np.ndarray) -> list[str] | None:
        """Returns the files of some examples; None where the examples are not files."""

    def remote_reader(self, indices: np.ndarray) -> RemoteReader | None:
        """Returns how another machine reads some examples; None if only this process can."""


def decode_each(
    source: Source, indices: np.ndarray, sixteen_bit: SixteenBit = None
) -> Iterator[tf.Tensor]:
    """Decodes some examples one by one, outside any pipeline."""
    elements = source.load(tf.constant(indices))
    for position in range(len(indices)):
        element = {name: values[position] for name, values in elements.items()}
        yield source.image(element, sixteen_bit)
