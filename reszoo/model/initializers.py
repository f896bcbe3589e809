"""How do kernels get their starting values? Drawn beside the build, by seed and row name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple

import keras
import numpy as np

from reszoo.planning.rows import Row
from reszoo.spec.architecture import Initializer


class Spread(NamedTuple):
    """A distribution around 0 of variance scale / fan."""

    scale: float
    fan: str
    distribution: str = "untruncated_normal"

    def deviation(self, shape: tuple[int, ...]) -> float:
        """The standard deviation for a kernel of that shape, (..., channels in, channels out)."""
        window = math.prod(shape[:-2])
        inside, outside = window * shape[-2], window * shape[-1]
        fan = {"fan_in": inside, "fan_out": outside, "fan_avg": (inside + outside) / 2}[self.fan]
        return math.sqrt(self.scale / fan)


SPREADS: Mapping[str, Spread] = {
    # Plain normal numbers as in He 2015 and torch; Keras's HeNormal is truncated.
    "he_normal": Spread(2.0, "fan_in"),
    "he_normal_fan_out": Spread(2.0, "fan_out"),
    "he_uniform": Spread(2.0, "fan_in", "uniform"),
    "glorot_uniform": Spread(1.0, "fan_avg", "uniform"),
    "glorot_normal": Spread(1.0, "fan_avg"),
}
"""By the kind of a spec `Initializer`, where its variance follows from the kernel's shape."""

_NORMAL_STD = 0.05
"""Of kind `normal` unless the spec says it."""


def row_seed(seed: int | None, row: Row) -> int | None:
    """A pure function of seed and row name, so that twins start the rows they share alike."""
    if seed is None:
        return None
    digest = hashlib.sha256(f"{seed}/{row.name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def initializer(row: Row, seed: int | None) -> keras.initializers.Initializer:
    """The Keras object that says how the row's kernel starts, for the layer's config."""
    wanted, own = row.attributes["kernel_initializer"], row_seed(seed, row)
    if wanted.kind == "zeros":
        return keras.initializers.Zeros()
    if wanted.kind == "normal":
        return keras.initializers.RandomNormal(stddev=wanted.std or _NORMAL_STD, seed=own)
    return keras.initializers.VarianceScaling(*SPREADS[wanted.kind], seed=own)


class Kernels:
    """Draws kernels in a thread of its own while Keras builds the graph.

    Keras's build is Python's work on one core. NumPy fills arrays without holding Python up, and
    takes half of TensorFlow's processor time for it. Only drawing happens in the thread: values
    reach their variables in the caller's, and so in its distribution strategy and device scopes.
    """

    def __init__(self) -> None:
        self._drawn: list[tuple[keras.Variable, Future[Any]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Kernels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for variable, values in self._drawn:
                    variable.assign(values.result())
        finally:
            self._thread.shutdown(cancel_futures=True)

    def draw(self, row: Row, layer: keras.layers.Layer) -> None:
        """Begins to draw the layer's kernel, which holds zeros until the context ends."""
        wanted, kernel = row.attributes["kernel_initializer"], layer.kernel
        if wanted.kind == "zeros":
            return
        wide = np.float64 if kernel.dtype == "float64" else np.float32
        seed = layer.kernel_initializer.seed
        self._drawn.append(
            (kernel, self._thread.submit(_values, wanted, tuple(kernel.shape), wide, seed))
        )


def _values(wanted: Initializer, shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.SFC64(seed))
    spread = SPREADS.get(wanted.kind)
    deviation = spread.deviation(shape) if spread else wanted.std or _NORMAL_STD
    if spread and spread.distribution == "uniform":
        values = generator.random(shape, dtype)
        values -= dtype(0.5)
        values *= dtype(deviation * math.sqrt(12.0))
    else:
        values = generator.standard_normal(shape, dtype)
        values *= dtype(deviation)
    return values
