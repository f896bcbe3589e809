"""Ops of plan rows: attributes, output shapes and costs.

| op | inputs | attributes |
|---|---|---|
| input | - | shape |
| normalize | 1 | mean, std: tuples of floats, one per channel; (x - mean) / std in float32 |
| contrast | 1 | epsilon; each example less its mean, divided by sqrt(its variance + epsilon) |
| mean_image | 1 | - ; x - mean, one number per value of an example, computed from training images |
| conv | 1 | filters, kernel, stride, padding (same, valid), groups, bias and the initial values |
| conv1d | 1 | filters, kernel, bias, initial values; over (length, channels), same padding |
| dense | 1 | units, bias and the initial values |
| norm | 1 | epsilon, momentum, gamma_initial (0.0 or 1.0) |
| group_norm | 1 | groups, epsilon, gamma_initial (0.0 or 1.0) |
| activation | 1 | function: an `Activation` of the spec, or sigmoid |
| pad | 1 | amounts: ((top, bottom), (left, right)); value: 0.0, or -inf in a plan of one's own |
| crop | 1 | amounts: ((top, bottom), (left, right)) |
| pad_channels | 1 | before, after |
| subsample | 1 | stride: every stride-th pixel |
| max_pool, average_pool | 1 | size, stride, padding (same, valid) |
| blur | 1 | stride; [1, 2, 1] / 4 along each axis, of (1, 2) along that of 2; borders reflected |
| global_average_pool, global_max_pool | 1 | keep_dimensions: bool |
| flatten | 1 | - |
| reshape | 1 | shape |
| dropout | 1 | rate; each: the unit of a draw: value, example or batch |
| rescale | 1 | scale, offset: x * scale + offset with two numbers |
| scale | 1 | granularity (scalar, channel), initial: a learned factor |
| add, subtract, multiply | 2 | - ; (1, 1, c) broadcasts over (h, w, c) |

`kernel`, `stride` and `size` are one number, or (height, width) where these differ. The initial
values are `kernel_initializer`, a spec `Initializer`, and (except for conv1d) `bias_initial`, a
number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reszoo.planning.padding import window_counts
from reszoo.planning.rows import Shape
from reszoo.spec.per_axis import Sides, axes


class Size(NamedTuple):
    """Output shape and cost of a row for one example."""

    shape: Shape
    parameters: int = 0
    other_parameters: int = 0
    macs: int = 0


Attributes = Mapping[str, Any]
Arithmetic = Callable[[Sequence[Shape], Attributes], Size]


def _unchanged(inputs: Sequence[Shape], _: Attributes) -> Size:
    return Size(inputs[0])


def _conv(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    channels, filters = inputs[0][-1], attributes["filters"]
    weights = math.prod(axes(attributes["kernel"])) * channels * filters // attributes["groups"]
    rows, columns = _windows(inputs[0], attributes["kernel"], attributes)
    bias = filters if attributes["bias"] else 0
    return Size((rows, columns, filters), weights + bias, 0, weights * rows * columns)


def _conv1d(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    length, channels = inputs[0]
    weights = attributes["kernel"] * channels * attributes["filters"]
    bias = attributes["filters"] if attributes["bias"] else 0
    return Size((length, attributes["filters"]), weights + bias, 0, weights * length)


def _dense(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    weights = inputs[0][-1] * attributes["units"]
    bias = attributes["units"] if attributes["bias"] else 0
    return Size((attributes["units"],), weights + bias, 0, weights)


def _norm(inputs: Sequence[Shape], _: Attributes) -> Size:
    channels = inputs[0][-1]
    return Size(inputs[0], 2 * channels, 2 * channels)


def _group_norm(inputs: Sequence[Shape], _: Attributes) -> Size:
    return Size(inputs[0], 2 * inputs[0][-1])


def _mean_image(inputs: Sequence[Shape], _: Attributes) -> Size:
    # Keras keeps a variance beside the mean, and a count from older versions.
    return Size(inputs[0], 0, 2 * math.prod(inputs[0]) + 1)


def _pad(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    height, width, channels = inputs[0]
    rows, columns = attributes["amounts"]
    return Size((height + sum(rows), width + sum(columns), channels))


def _crop(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    height, width, channels = inputs[0]
    rows, columns = attributes["amounts"]
    return Size((height - sum(rows), width - sum(columns), channels))


def _pad_channels(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    height, width, channels = inputs[0]
    return Size((height, width, channels + attributes["before"] + attributes["after"]))


def _subsampled(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    height, width, channels = inputs[0]
    rows, columns = axes(attributes["stride"])
    return Size((math.ceil(height / rows), math.ceil(width / columns), channels))


def _pool(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    return Size((*_windows(inputs[0], attributes["size"], attributes), inputs[0][-1]))


def _windows(shape: Shape, size: Sides, attributes: Attributes) -> tuple[int, int]:
    """Returns the rows and columns of windows of this size on a map."""
    stride, padding = attributes["stride"], attributes["padding"]
    return window_counts((shape[0], shape[1]), size, stride, padding)


def _global_pool(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    channels = inputs[0][-1]
    return Size((1, 1, channels) if attributes["keep_dimensions"] else (channels,))


def _scale(inputs: Sequence[Shape], attributes: Attributes) -> Size:
    return Size(inputs[0], 1 if attributes["granularity"] == "scalar" else inputs[0][-1])


def _merge(inputs: Sequence[Shape], _: Attributes) -> Size:
    first, second = inputs
    if len(first) != len(second) or any(
        a != b and 1 not in (a, b) for a, b in zip(first, second, strict=True)
    ):
        raise ValueError(f"cannot merge shapes {first} and {second}")
    return Size(tuple(max(a, b) for a, b in zip(first, second, strict=True)))


OPS: Mapping[str, Arithmetic] = {
    "input": lambda _, attributes: Size(attributes["shape"]),
    "normalize": _unchanged,
    "contrast": _unchanged,
    "mean_image": _mean_image,
    "conv": _conv,
    "conv1d": _conv1d,
    "dense": _dense,
    "norm": _norm,
    "group_norm": _group_norm,
    "activation": _unchanged,
    "pad": _pad,
    "crop": _crop,
    "pad_channels": _pad_channels,
    "subsample": _subsampled,
    "max_pool": _pool,
    "average_pool": _pool,
    "blur": _subsampled,
    "global_average_pool": _global_pool,
    "global_max_pool": _global_pool,
    "flatten": lambda inputs, _: Size((math.prod(inputs[0]),)),
    "reshape": lambda _, attributes: Size(tuple(attributes["shape"])),
    "dropout": _unchanged,
    "rescale": _unchanged,
    "scale": _scale,
    "add": _merge,
    "subtract": _merge,
    "multiply": _merge,
}
