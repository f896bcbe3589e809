"""Windows of convolutions and pools along the sides of a map: their number and their padding.

`torch` pads both sides of an axis alike, `same` is TensorFlow's, and `valid` pads nothing.
"""

from __future__ import annotations

import itertools
from typing import Any

from reszoo.spec.per_axis import Sides, axes


def window_count(size: int, kernel: int, stride: int, padding: str) -> int:
    """Number of windows of `kernel` pixels, `stride` apart, along a side of `size` pixels."""
    if padding == "same":
        return -(-size // stride)
    margin = torch_padding(kernel) if padding == "torch" else 0
    return (size + 2 * margin - kernel) // stride + 1


def window_counts(
    sides: tuple[int, int], kernel: Sides, stride: Sides, padding: str
) -> tuple[int, int]:
    """Returns the rows and columns of windows on a map of these sides; see `window_count`."""
    rows, columns = (
        window_count(*along, padding)
        for along in zip(sides, axes(kernel), axes(stride), strict=True)
    )
    return rows, columns


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Returns TensorFlow's `same` padding (before, after) along a side; the odd pixel is after.

    Examples:
      >>> same_padding(8, kernel=3, stride=2)
      (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def torch_padding(kernel: int) -> int:
    """Returns torch's padding on each side of an axis, as published networks use it."""
    return (kernel - 1) // 2


def torch_max_pool(
    sides: tuple[int, int], size: Sides, stride: Sides
) -> list[tuple[str, str, dict[str, Any]]]:
    """Returns op, suffix of the name and attributes of the rows of torch's max-pool.

    The map is extended by zeros after its end until `same` adds torch's amount before its start,
    and the windows that see these zeros are cropped: as fast as a padding of -infinity, which stock
    Keras lacks. Where torch has such windows too (5x5 with stride 2 on an even side), the pool has
    stride 1 and is subsampled, at the cost of the stride's square.
    """
    along = list(zip(sides, axes(size), axes(stride), strict=True))
    counts = [window_count(*axis, "torch") for axis in along]
    extensions = list(itertools.starmap(_extension, along))
    step = 1 if None in extensions else stride
    amounts = [(0, extra or 0) if step == stride else (0, 0) for extra in extensions]
    rows: list[tuple[str, str, dict[str, Any]]] = []
    if any(map(any, amounts)):
        rows.append(("pad", "pad", {"amounts": tuple(amounts), "value": 0.0}))
    rows.append(("max_pool", "windows", {"size": size, "stride": step, "padding": "same"}))
    if step != stride:
        rows.append(("subsample", "subsample", {"stride": stride}))
    surplus = tuple(
        (0, window_count(side + extra, k, s, "same") - count)
        for (side, k, s), (_, extra), count in zip(along, amounts, counts, strict=True)
    )
    if any(map(any, surplus)):
        rows.append(("crop", "crop", {"amounts": surplus}))
    return rows


def _extension(side: int, size: int, stride: int) -> int | None:
    """Pixels after a side with which `same` has torch's windows, none of which sees these pixels.

    None if there is no such number.
    """
    margin = torch_padding(size)
    last = (window_count(side, size, stride, "torch") - 1) * stride - margin + size
    for extra in range(stride):
        unseen = extra == 0 or last <= side
        if unseen and same_padding(side + extra, size, stride)[0] == margin:
            return extra
    return None
