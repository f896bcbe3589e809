"""Convolutions, pools and normalisations by their definitions in NumPy, for comparison.

Maps are (batch, height, width, channels) in float64. Sizes and strides are one number, or height
and width. Nothing here knows reszoo or TensorFlow.
"""

from __future__ import annotations

from math import erf

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray
Border = tuple[int, int]
Sides = int | tuple[int, int]


def both(size: Sides) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


ACTIVATIONS = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0.0)) - 1.0),
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1.0 + np.vectorize(erf)(x / np.sqrt(2.0))),
    "hard_swish": lambda x: x * np.clip(x + 3.0, 0.0, 6.0) / 6.0,
    "tanh": np.tanh,
}


def borders(side: int, kernel: int, stride: int, padding: str) -> Border:
    """Pixels added before and after a side.

    torch: half the kernel on both sides. TensorFlow's same: as few as give ceil(side / stride)
    windows, the odd one after.
    """
    if padding == "valid":
        return 0, 0
    if padding == "torch":
        return (kernel - 1) // 2, (kernel - 1) // 2
    windows = -(-side // stride)
    missing = max((windows - 1) * stride + kernel - side, 0)
    return missing // 2, missing - missing // 2


def surrounded(x: Array, kernel: Sides, stride: Sides, padding: str, value: float) -> Array:
    along = zip(x.shape[1:3], both(kernel), both(stride), strict=True)
    rows, columns = (borders(side, size, step, padding) for side, size, step in along)
    return np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=value)


def windows(x: Array, size: Sides, stride: Sides) -> Array:
    """The pixels of each window: (batch, rows, columns, channels, window height, window width)."""
    down, right = both(stride)
    return sliding_window_view(x, both(size), axis=(1, 2))[:, ::down, ::right]


def conv(
    x: Array, kernel: Array, bias: Array | None, *, stride: Sides, padding: str, groups: int = 1
) -> Array:
    """sum over i, j, c of x[row + i, column + j, c] kernel[i, j, c, filter], per group."""
    size, filters = (kernel.shape[0], kernel.shape[1]), kernel.shape[3]
    seen = windows(surrounded(x, size, stride, padding, 0.0), size, stride)
    inside, outside = x.shape[3] // groups, filters // groups
    assert kernel.shape[2:] == (inside, filters)
    parts = [
        np.einsum(
            "nrscij,ijcf->nrsf",
            seen[:, :, :, group * inside : (group + 1) * inside],
            kernel[:, :, :, group * outside : (group + 1) * outside],
            optimize=True,
        )
        for group in range(groups)
    ]
    y = np.concatenate(parts, axis=3)
    return y if bias is None else y + bias


def batch_norm(x: Array, weights: dict[str, Array], epsilon: float) -> Array:
    """Ioffe 2015, at inference."""
    deviation = np.sqrt(weights["moving_variance"] + epsilon)
    return weights["gamma"] * (x - weights["moving_mean"]) / deviation + weights["beta"]


def group_norm(x: Array, weights: dict[str, Array], groups: int, epsilon: float) -> Array:
    """Wu 2018: the mean and variance of an example over pixels and the channels of a group."""
    parts = []
    for part in np.split(x, groups, axis=-1):
        axes = tuple(range(1, x.ndim))
        mean, variance = part.mean(axes, keepdims=True), part.var(axes, keepdims=True)
        parts.append((part - mean) / np.sqrt(variance + epsilon))
    return weights["gamma"] * np.concatenate(parts, axis=-1) + weights["beta"]


def max_pool(x: Array, size: Sides, stride: Sides, padding: str, border: float = -np.inf) -> Array:
    return windows(surrounded(x, size, stride, padding, border), size, stride).max(axis=(4, 5))


def average_pool(x: Array, size: Sides, stride: Sides, padding: str) -> Array:
    """The mean of a window's pixels inside the map; the padding does not count.

    An average pool has TensorFlow's windows where the nets have torch's: those of torch's
    `ceil_mode=True, count_include_pad=False` for windows that do not overlap.
    """
    padding = "valid" if padding == "valid" else "same"
    seen = windows(surrounded(x, size, stride, padding, np.nan), size, stride)
    return np.nanmean(seen, axis=(4, 5))


def blur(x: Array, stride: Sides) -> Array:
    """The binomial filter [1, 2, 1] both ways with mirrored borders, then a stride (Zhang 2019).

    Of two strides, an axis whose stride is 1 is not filtered.
    """
    lines = [
        np.array([1.0]) if isinstance(stride, tuple) and step == 1 else np.array([1.0, 2.0, 1.0])
        for step in both(stride)
    ]
    binomial = np.outer(lines[0] / lines[0].sum(), lines[1] / lines[1].sum())
    rows, columns = ((len(line) // 2, len(line) // 2) for line in lines)
    mirrored = np.pad(x, ((0, 0), rows, columns, (0, 0)), mode="reflect")
    return np.einsum("nrscij,ij->nrsc", windows(mirrored, binomial.shape, stride), binomial)
