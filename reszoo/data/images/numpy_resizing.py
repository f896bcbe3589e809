"""Resizing in NumPy: the pixels of `resize_to_format` without the import of TensorFlow.

The arithmetic is that of TensorFlow's ScaleAndTranslate, operation by operation in float32: rows
first, then columns, each a sum over neighbouring pixels in order. On x86 the pixels are equal bit
for bit; a processor where TensorFlow fuses multiplication and addition may round a pixel that lies
on the border of two values the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np

from reszoo.data.images.image_format import ImageFormat, as_uint8, round_to_uint8

_ONE, _HALF = np.float32(1), np.float32(0.5)
_LUMA = np.array([19595, 38470, 7471], np.int32)
_STRIP_PIXELS = 1 << 20
_SMALLEST_SUM = 1000 * np.finfo(np.float32).tiny

Span = tuple[int, np.ndarray]
"""The first source pixel of an output pixel, and the weights of it and of those that follow."""


def resize_in_numpy(image: np.ndarray, image_format: ImageFormat) -> np.ndarray:
    """Returns the same as `resize_to_format` for one image `(height, width, channels)`."""
    image = as_uint8(image, image_format)
    if image_format.channels == 1 and image.shape[-1] == 3:
        image = _luma(image)
    if image_format.crop < 1 or image.shape[:2] != image_format.shape[:2]:
        image = _resample(image, image_format)
    repeats = 3 if image_format.channels == 3 and image.shape[-1] == 1 else 1
    return np.tile(image, (1, 1, repeats))


def _luma(image: np.ndarray) -> np.ndarray:
    """Converts RGB to luma, a strip of rows at a time: the products take 12 bytes per pixel."""
    luma = np.empty((*image.shape[:2], 1), np.uint8)
    rows = max(1, _STRIP_PIXELS // max(1, image.shape[1]))
    for top in range(0, len(image), rows):
        strip = image[top : top + rows] * _LUMA
        luma[top : top + rows] = strip.sum(-1, keepdims=True, dtype=np.int32) + 0x8000 >> 16
    return luma


def _resample(image: np.ndarray, image_format: ImageFormat) -> np.ndarray:
    values = image
    for spans in axis_spans(image.shape[:2], image_format):
        values = np.ascontiguousarray(_weigh_rows(values, spans).swapaxes(0, 1))
    return round_to_uint8(values)


def axis_spans(
    size: Sequence[int], image_format: ImageFormat
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Returns the spans of rows and of columns that resize images of a height and a width."""
    target = np.array(image_format.shape[:2], np.float64)
    covered = np.rint(target / image_format.crop)
    before = np.array(size, np.float64)
    resized = np.maximum(np.floor(before * np.max(covered / before) + 1e-9), covered)
    start = np.rint((resized - target) * np.array(image_format.place))
    rows, columns = (
        _spans(
            image_format.shape[axis],
            size[axis],
            float(np.float32(resized[axis] / before[axis])),
            float(-start[axis]),
            image_format.interpolation,
            image_format.antialias,
        )
        for axis in (0, 1)
    )
    return rows, columns


def _weigh_rows(image: np.ndarray, spans: Iterable[Span]) -> np.ndarray:
    """Returns a row for each span: the weighted sum of rows of the image, added in order."""
    flat = image.reshape(len(image), -1)
    columns = flat.shape[1]
    if columns == 1:  # NumPy sums several columns in order, but a single one pairwise
        flat = np.repeat(flat, 2, axis=1)
    rows = [
        (weights[:, None] * flat[start : start + len(weights)]).sum(axis=0)
        for start, weights in spans
    ]
    return np.stack(rows)[:, :columns].reshape(len(rows), *image.shape[1:])


@lru_cache(maxsize=64)
def _spans(
    count: int, size: int, scale: float, translation: float, interpolation: str, antialias: bool
) -> tuple[Span, ...]:
    """Returns the span of each of `count` output pixels along an axis of `size` source pixels."""
    kernel, radius = _KERNELS[interpolation]
    per_output = np.float32(1 / scale)
    offset = -per_output * np.float32(translation)
    widening = max(per_output, _ONE) if antialias else _ONE
    reach, narrowing = np.float32(radius) * widening, _ONE / widening
    spans = []
    for index in range(count):
        centre = (np.float32(index) + _HALF) * per_output + offset
        if not 0 <= centre <= size:
            spans.append((0, np.zeros(1, np.float32)))
            continue
        first = min(max(int(np.ceil(centre - reach - _HALF)), 0), size - 1)
        last = min(max(int(np.floor(centre + reach - _HALF)), 0), size - 1)
        positions = np.arange(first, last + 1, dtype=np.float32) + _HALF - centre
        weights = kernel(np.abs(positions * narrowing))
        total = np.cumsum(weights)[-1]  # in order; `sum` adds pairwise
        usable = abs(total) >= _SMALLEST_SUM
        spans.append((first, weights * (_ONE / total if usable else np.float32(0))))
    return tuple(spans)


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(_ONE - distance, np.float32(0))


def _keys_cubic(distance: np.ndarray) -> np.ndarray:
    a, b, c, d = (np.float32(value) for value in (1.5, 2.5, 0.5, 4))
    near = (a * distance - b) * distance * distance + _ONE
    far = ((-c * distance + b) * distance - d) * distance + np.float32(2)
    return np.where(distance >= 2, np.float32(0), np.where(distance >= 1, far, near))


_KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_keys_cubic, 2),
}
