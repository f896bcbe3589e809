"""How do weights made for RGB read images of 1 or 4 channels?

The rule: with one channel the first convolution's kernels are summed over R, G and B, so that a
grey image is seen as it would be with three equal channels; mean and std are the averages of the
three, which is exact where these are equal and close where they are ImageNet's. A fourth channel
gets the mean of the three, in kernels, mean and std alike, and R, G and B stay as they are. Any
other number is refused.
"""

from __future__ import annotations

import numpy as np

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture

ADAPTED = (1, 4)


def fitting_input(spec: Architecture) -> Architecture:
    """The spec with a mean and a std for each channel of its input.

    Raises:
      UserError: there is no rule for that many channels.
    """
    channels = spec.input.shape[2]
    changed = {}
    for name in ("mean", "std"):
        value = getattr(spec.input, name)
        if not isinstance(value, tuple) or len(value) == channels:
            continue
        if len(value) != 3 or channels not in ADAPTED:
            raise _refused(spec, len(value))
        average = sum(value) / 3
        changed[name] = (average,) if channels == 1 else (*value, average)
    pixels = spec.input.model_copy(update=changed)
    return spec.model_copy(update={"input": pixels}) if changed else spec


def fitting_kernel(kernel: np.ndarray, spec: Architecture) -> np.ndarray:
    """A first convolution's kernel, (height, width, input, output), for the spec's channels.

    Raises:
      UserError: there is no rule for that many channels.
    """
    channels = spec.input.shape[2]
    if kernel.ndim != 4 or kernel.shape[2] == channels:
        return kernel
    if kernel.shape[2] != 3 or channels not in ADAPTED:
        raise _refused(spec, kernel.shape[2])
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return np.concatenate([kernel, kernel.mean(axis=2, keepdims=True)], axis=2)


def _refused(spec: Architecture, channels: int) -> UserError:
    return UserError(
        f"weights for {channels} channels cannot read images of {spec.input.shape[2]}",
        where=spec.where("input", "shape"),
        expected=f"{channels} channels" + (", or 1 or 4" if channels == 3 else ""),
        found=f"input.shape with {spec.input.shape[2]} channels",
        hint="--set input.shape=[HEIGHT,WIDTH,3]",
    )
