"""Pictures of examples, as arrays and as small PNG files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reszoo.data import Split
from reszoo.data.images.decoding import SixteenBit

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 64
"""Pixels of the longer side, at most."""


def thumbnails(
    split: Split, indices: Sequence[int], sixteen_bit: SixteenBit = None
) -> Iterator[bytes]:
    """Yields the examples at some indices of a split as PNG, made smaller where they are large."""
    for image in pictures(split, indices, sixteen_bit):
        image.thumbnail((SIDE, SIDE))
        file = io.BytesIO()
        image.save(file, "PNG", optimize=True)
        yield file.getvalue()


def pictures(
    split: Split, indices: Sequence[int], sixteen_bit: SixteenBit = None
) -> Iterator[Image]:
    """Yields the examples at some indices of a split as Pillow images, grey or RGB."""
    from PIL import Image

    for pixels in _decoded(split, split.indices[np.asarray(indices, np.int64)], sixteen_bit):
        # Of other numbers of channels, as of arrays, the first ones are shown.
        grey = pixels.shape[-1] in (1, 2)
        yield Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels[..., :3]))


def _decoded(split: Split, indices: np.ndarray, sixteen_bit: SixteenBit) -> Iterator[np.ndarray]:
    read = getattr(split.source, "read", None)  # of `open_plain_files`, without TensorFlow
    if read is not None:
        yield from (read(int(index), sixteen_bit) for index in indices)
    elif len(indices):
        from reszoo.data.source import decode_each

        yield from map(np.asarray, decode_each(split.source, indices, sixteen_bit))
