"""Worker process of a benchmark: measures one network, which is named by its arguments.

It loads the network, warms it up, and prints a line of JSON with the times of both. For every
number N on stdin it then calls the network N times, and prints the seconds of each call; at the
end of stdin it prints the peak memory of the process.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reszoo.errors import ReszooError, UserError, first_line
from reszoo.parent_watch import obey_supervisor
from reszoo.runs.line_process import answer_stream, error_answer
from reszoo.system_info import peak_memory, version_of

_WARM_UP_CALLS, _WARM_UP_BATCHES = 10, 2
_RUNTIMES = {
    "tflite": "ai_edge_litert.interpreter",
    "keras": "reszoo.inference.keras_classifier",
    "saved_model": "reszoo.exporting.saved_model",
    "onnx": "onnxruntime",
}
Call = Callable[[], Any]


class Loaded(NamedTuple):
    """A network, ready to be measured."""

    call: Call
    runtime: str
    """Name and version."""
    shape: tuple[int, ...]
    """Of the input tensor, with the batch."""


def main(kind: str, path: str, threads: str, batch: str) -> None:
    """Serves the parent process until stdin is closed."""
    obey_supervisor()
    with answer_stream() as write:
        for answer in _serve(kind, Path(path), int(threads), int(batch)):
            write(answer)


def _serve(kind: str, path: Path, threads: int, batch: int) -> Iterator[dict[str, Any]]:
    try:
        before = _import_runtime(kind, threads)
        began = time.perf_counter()
        call, runtime, shape = _LOADERS[kind](path, threads, batch)
        loaded = time.perf_counter()
        call()
        first = time.perf_counter() - loaded
        warm_up = _WARM_UP_CALLS if batch == 1 else _WARM_UP_BATCHES
        warm = _measure(call, warm_up - 1)["wall"]
    except ReszooError as error:
        yield error_answer(error)
        return
    yield {
        "runtime": runtime,
        "shape": shape,
        "load_seconds": loaded - began,
        "first_seconds": first,
        "warm_up_calls": warm_up,
        "warm_seconds": sorted(warm)[len(warm) // 2],
        "runtime_bytes": before,
    }
    for line in sys.stdin:
        yield _measure(call, int(line))
    yield {"peak_bytes": peak_memory()}


def _measure(call: Call, count: int) -> dict[str, list[float]]:
    wall, processor = [], []
    for _ in range(count):
        began, worked = time.perf_counter(), time.process_time()
        call()
        processor.append(time.process_time() - worked)
        wall.append(time.perf_counter() - began)
    return {"wall": wall, "processor": processor}


def _import_runtime(kind: str, threads: int) -> int | None:
    """Imports the runtime of a kind of network; returns the peak memory so far, in bytes."""
    if kind in ("keras", "saved_model"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if find_spec((module := _RUNTIMES[kind]).partition(".")[0]) is not None:
        importlib.import_module(module)
    return peak_memory()


def _load_tflite(path: Path, threads: int, batch: int) -> Loaded:
    from reszoo.tflite.interpreter import TFLiteInterpreter, quantize

    interpreter = TFLiteInterpreter(path, threads=threads)
    details = interpreter.input
    shape = tuple(int(side) for side in details["shape"])
    given = quantize(_pixels(shape), details)
    try:
        interpreter.run(given)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} cannot be run with a single numeric input",
            found=first_line(error),
            hint="give a file with one numeric input, such as one that `reszoo export` wrote",
        ) from error
    runtime = f"ai-edge-litert {version_of('ai-edge-litert')}"
    return Loaded(lambda: interpreter.run(given), runtime, shape)


def _load_keras(path: Path, threads: int, batch: int) -> Loaded:
    from reszoo.inference.keras_classifier import load_classifier

    classifier = load_classifier(path, fast=False, images=batch)
    images = _pixels((batch, *classifier.image_format.shape))
    versions = (f"{name} {version_of(name)}" for name in ("keras", "tensorflow"))
    return Loaded(lambda: classifier.probabilities(images), ", ".join(versions), images.shape)


def _load_saved_model(path: Path, threads: int, batch: int) -> Loaded:
    from reszoo.exporting.saved_model import LoadedSavedModel

    model = LoadedSavedModel(path)
    images = _pixels((batch, *_bundle_shape(path.parent)))
    runtime = f"tensorflow {version_of('tensorflow')}"
    return Loaded(lambda: model.probabilities(images), runtime, images.shape)


def _load_onnx(path: Path, threads: int, batch: int) -> Loaded:
    from reszoo.exporting.onnx_file import OnnxModel

    model = OnnxModel(path, threads)
    images = _pixels((batch, *_bundle_shape(path.parent)))
    return Loaded(lambda: model.probabilities(images), model.runtime, images.shape)


_LOADERS: dict[str, Callable[[Path, int, int], Loaded]] = {
    "tflite": _load_tflite,
    "keras": _load_keras,
    "saved_model": _load_saved_model,
    "onnx": _load_onnx,
}


def _bundle_shape(folder: Path) -> tuple[int, ...]:
    from reszoo.tflite.contract_file import CONTRACT, damaged_contract, read_contract

    try:
        sizes = read_contract(folder / CONTRACT)["preprocessing"]
        return tuple(int(sizes[side]) for side in ("height", "width", "channels"))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_contract(folder / CONTRACT, error) from error


def _pixels(shape: tuple[int, ...]) -> np.ndarray:
    """Returns random pixels; inference time does not depend on their values."""
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


if __name__ == "__main__":
    main(*sys.argv[1:])
