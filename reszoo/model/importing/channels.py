"""RGB weights adapted to images of 1 or 4 channels.

For one channel, the first convolution's kernels are summed over R, G and B: a grey image has the
result of three equal channels. Mean and std are averaged, which is exact if the three are equal and
close for ImageNet's. A fourth channel receives the mean of the three, in kernels, mean and std
alike, and R, G and B are unchanged. Other numbers of channels are refused with a UserError.
"""

from __future__ import annotations

import numpy as np

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture

_ADAPTABLE = (1, 4)


def adapt_input(spec: Architecture) -> Architecture:
    """Returns the spec with a mean and a std for each channel of its input."""
    channels = spec.input.shape[2]
    update = {}
    for name in ("mean", "std"):
        value = getattr(spec.input, name)
        if not isinstance(value, tuple) or len(value) == channels:
            continue
        if len(value) != 3 or channels not in _ADAPTABLE:
            raise _refusal(spec, len(value))
        average = sum(value) / 3
        update[name] = (average,) if channels == 1 else (*value, average)
    pixels = spec.input.model_copy(update=update)
    return spec.model_copy(update={"input": pixels}) if update else spec


def adapt_kernel(kernel: np.ndarray, spec: Architecture) -> np.ndarray:
    """Returns the first convolution's kernel, (height, width, in, out), for the spec's channels."""
    channels = spec.input.shape[2]
    if kernel.ndim != 4 or kernel.shape[2] == channels:
        return kernel
    if kernel.shape[2] != 3 or channels not in _ADAPTABLE:
        raise _refusal(spec, kernel.shape[2])
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return np.concatenate([kernel, kernel.mean(axis=2, keepdims=True)], axis=2)


def _refusal(spec: Architecture, channels: int) -> UserError:
    return UserError(
        f"weights for {channels} channels cannot read images of {spec.input.shape[2]}",
        where=spec.where("input", "shape"),
        expected=f"{channels} channels" + (", or 1 or 4" if channels == 3 else ""),
        found=f"input.shape with {spec.input.shape[2]} channels",
        hint="--set input.shape=[HEIGHT,WIDTH,3]",
    )
