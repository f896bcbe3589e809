"""Kernel initialisation by seed and row name, in a background thread during the build."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np

from reszoo.planning.rows import Row
from reszoo.spec.layer_fields import Initializer


class VarianceScaling(NamedTuple):
    """Arguments of `keras.initializers.VarianceScaling`: mean 0, variance scale / fan."""

    scale: float
    mode: str
    distribution: str = "untruncated_normal"

    def stddev(self, shape: tuple[int, ...]) -> float:
        """Returns the standard deviation for a (..., input channels, output channels) kernel."""
        window = math.prod(shape[:-2])
        fan_in, fan_out = window * shape[-2], window * shape[-1]
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        return math.sqrt(self.scale / fan)


VARIANCE_SCALING: Mapping[str, VarianceScaling] = {
    # Untruncated normal numbers as in He 2015 and torch; Keras's HeNormal is truncated.
    "he_normal": VarianceScaling(2.0, "fan_in"),
    "he_normal_fan_out": VarianceScaling(2.0, "fan_out"),
    "he_uniform": VarianceScaling(2.0, "fan_in", "uniform"),
    "glorot_uniform": VarianceScaling(1.0, "fan_avg", "uniform"),
    "glorot_normal": VarianceScaling(1.0, "fan_avg"),
    "lecun_uniform": VarianceScaling(1.0, "fan_in", "uniform"),
    "torch_default": VarianceScaling(1.0 / 3.0, "fan_in", "uniform"),
}
"""By the kind of a spec `Initializer`, where the variance follows from the kernel's shape."""

_NORMAL_STD = 0.05  # of kind `normal` if the spec has no `std`


def row_seed(seed: int | None, row: Row) -> int | None:
    """Returns a pure function of seed and row name, so that twins initialise shared rows alike."""
    if seed is None:
        return None
    digest = hashlib.sha256(f"{seed}/{row.name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def kernel_initializer(row: Row, seed: int | None) -> keras.initializers.Initializer:
    """Returns the Keras initializer of the row's kernel, as the layer's config records it."""
    spec, kernel_seed = row.attributes["kernel_initializer"], row_seed(seed, row)
    if spec.kind == "zeros":
        return keras.initializers.Zeros()
    if spec.kind == "normal":
        return keras.initializers.RandomNormal(stddev=spec.std or _NORMAL_STD, seed=kernel_seed)
    return keras.initializers.VarianceScaling(*VARIANCE_SCALING[spec.kind], seed=kernel_seed)


class BackgroundInitializer:
    """Context manager that draws kernels in a thread while Keras builds the graph.

    Keras builds in Python, on one core. NumPy fills arrays without holding the GIL, and takes half
    of TensorFlow's processor time for it. Only drawing happens in the thread: values are assigned
    in the caller's, and so in its distribution strategy and device scopes.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[keras.Variable, Future[Any]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> BackgroundInitializer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                for variable, values in self._pending:
                    variable.assign(values.result())
        finally:
            self._thread.shutdown(cancel_futures=True)

    def draw(self, row: Row, layer: keras.layers.Layer) -> None:
        """Starts to draw the layer's kernel, which holds zeros until the context ends."""
        spec, kernel = row.attributes["kernel_initializer"], layer.kernel
        if spec.kind == "zeros":
            return
        dtype = np.float64 if kernel.dtype == "float64" else np.float32
        seed = layer.kernel_initializer.seed
        values = self._thread.submit(_draw_values, spec, tuple(kernel.shape), dtype, seed)
        self._pending.append((kernel, values))


def _draw_values(spec: Initializer, shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.SFC64(seed))
    scaling = VARIANCE_SCALING.get(spec.kind)
    stddev = scaling.stddev(shape) if scaling else spec.std or _NORMAL_STD
    if scaling and scaling.distribution == "uniform":
        values = generator.random(shape, dtype)
        values -= dtype(0.5)
        stddev *= math.sqrt(12.0)
    else:
        values = generator.standard_normal(shape, dtype)
    values *= dtype(stddev)
    return values
