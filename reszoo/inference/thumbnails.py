"""Small pictures of examples, as PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np

from reszoo.data import Split

SIDE = 64
"""Pixels of the longer side, at most."""


def thumbnails(split: Split, indices: Sequence[int]) -> Iterator[bytes]:
    """Yields the examples at some indices of a split as PNG, made smaller where they are large."""
    from reszoo.data.source import decode_each

    if indices:
        for image in decode_each(split.source, split.indices[np.asarray(indices, np.int64)]):
            yield _png(np.asarray(image))


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    # Of other numbers of channels, as of arrays, the first ones are shown.
    grey = pixels.shape[-1] in (1, 2)
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels[..., :3]))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
