"""How do kernels get their starting values? Drawn beside the build, by seed and row name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import keras

from reszoo.plan.rows import Row

Make = Callable[[float | None, int | None], keras.initializers.Initializer]


def row_seed(seed: int | None, row: Row) -> int | None:
    """A pure function of seed and row name, so that twins start the rows they share alike."""
    if seed is None:
        return None
    digest = hashlib.sha256(f"{seed}/{row.name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def initializer(row: Row, seed: int | None) -> keras.initializers.Initializer:
    """How the row's kernel starts, as its spec says."""
    wanted = row.attributes["kernel_initializer"]
    return INITIALIZERS[wanted.kind](wanted.std, row_seed(seed, row))


class Kernels:
    """Draws kernels in a thread of its own while Keras builds the graph.

    Keras's build is Python's work and leaves the other cores idle; drawing 60 million numbers is
    TensorFlow's. Side by side they take half the time. Only drawing happens in the thread: values
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

    def draw(self, layer: keras.layers.Layer) -> None:
        """Begins to draw the layer's kernel, which holds zeros until the context ends."""
        kernel, initializer = layer.kernel, layer.kernel_initializer
        values = self._thread.submit(initializer, tuple(kernel.shape), dtype=kernel.dtype)
        self._drawn.append((kernel, values))


def _normal(std: float | None, seed: int | None) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.05 if std is None else std, seed=seed)


def _fan_out(_: float | None, seed: int | None) -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal", seed=seed)


INITIALIZERS: Mapping[str, Make] = {
    "he_normal": lambda _, seed: keras.initializers.HeNormal(seed=seed),
    "he_normal_fan_out": _fan_out,
    "he_uniform": lambda _, seed: keras.initializers.HeUniform(seed=seed),
    "glorot_uniform": lambda _, seed: keras.initializers.GlorotUniform(seed=seed),
    "glorot_normal": lambda _, seed: keras.initializers.GlorotNormal(seed=seed),
    "normal": _normal,
    "zeros": lambda _, __: keras.initializers.Zeros(),
}
"""By the kind of a spec `Initializer`: a function of its std (0.05 unless given) and a seed."""
