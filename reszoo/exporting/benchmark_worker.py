"""The process that a benchmark measures one network in: `python -m` with the network as arguments.

It loads the network, warms it up, and prints a line of JSON about that. For every number on stdin
it then calls the network as often, and prints the seconds of each call; at the end of stdin it
prints the greatest memory that the process has taken.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.errors import ReszooError, UserError, first_line
from reszoo.system_info import peak_memory, version_of

_WARM_UP_CALLS = {1: 10}
_WARM_UP_BATCHES = 2
Call = Callable[[], Any]


def main(kind: str, path: str, threads: int, batch: int) -> None:
    """Serves the parent process until its pipe ends."""
    try:
        before = _import_runtime(kind, threads)
        began = time.perf_counter()
        call, runtime = _LOADERS[kind](Path(path), threads, batch)
        loaded = time.perf_counter()
        call()
        first = time.perf_counter() - loaded
        warm_up = _WARM_UP_CALLS.get(batch, _WARM_UP_BATCHES)
        for _ in range(warm_up - 1):
            call()
    except ReszooError as error:
        names = ("what", "where", "expected", "found", "hint")
        fields = {name: getattr(error, name) for name in names}
        _say({"error": type(error).__name__, "fields": fields | {"where": _text(error.where)}})
        return
    _say(
        {
            "runtime": runtime,
            "load_seconds": loaded - began,
            "first_seconds": first,
            "warm_up_calls": warm_up,
            "runtime_bytes": before,
        }
    )
    for line in sys.stdin:
        _say(_measure(call, int(line)))
    _say({"peak_bytes": peak_memory()})


def _measure(call: Call, count: int) -> dict[str, list[float]]:
    wall, processor = [], []
    for _ in range(count):
        began, worked = time.perf_counter(), time.process_time()
        call()
        processor.append(time.process_time() - worked)
        wall.append(time.perf_counter() - began)
    return {"wall": wall, "processor": processor}


def _import_runtime(kind: str, threads: int) -> int | None:
    """Imports the runtime of a kind of network; returns the memory that it takes by itself."""
    if kind == "tflite":
        import ai_edge_litert.interpreter  # noqa: F401
    elif kind != "onnx":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return peak_memory()


def _load_tflite(path: Path, threads: int, batch: int) -> tuple[Call, str]:
    from reszoo.tflite.interpreter import TFLiteInterpreter, quantize

    interpreter = TFLiteInterpreter(path, threads=threads)
    details = interpreter.input
    given = quantize(_pixels(tuple(details["shape"])), details)
    try:
        interpreter.run(given)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} does not run with one input of its first tensor's shape",
            found=first_line(error),
            hint="name a file with one input of numbers, such as one that `reszoo export` wrote",
        ) from error
    return lambda: interpreter.run(given), f"ai-edge-litert {version_of('ai-edge-litert')}"


def _load_keras(path: Path, threads: int, batch: int) -> tuple[Call, str]:
    from reszoo.inference.keras_classifier import load_classifier

    classifier = load_classifier(path, fast=False, images=batch)
    images = _pixels((batch, *classifier.image_format.shape))
    versions = (f"{name} {version_of(name)}" for name in ("keras", "tensorflow"))
    return lambda: classifier.probabilities(images), ", ".join(versions)


def _load_saved_model(path: Path, threads: int, batch: int) -> tuple[Call, str]:
    from reszoo.exporting.saved_model import LoadedSavedModel

    model = LoadedSavedModel(path)
    images = _pixels((batch, *_bundle_shape(path.parent)))
    return lambda: model.probabilities(images), f"tensorflow {version_of('tensorflow')}"


def _load_onnx(path: Path, threads: int, batch: int) -> tuple[Call, str]:
    from reszoo.exporting.onnx_file import OnnxModel

    model = OnnxModel(path, threads)
    images = _pixels((batch, *_bundle_shape(path.parent)))
    return lambda: model.probabilities(images), str(model.runtime)


_LOADERS: dict[str, Callable[[Path, int, int], tuple[Call, str]]] = {
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
    """Returns random pixels: the time of these networks does not depend on the values."""
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _say(value: dict[str, Any]) -> None:
    # The parent may be gone already, after Ctrl-C.
    try:
        os.write(_ANSWERS, (json.dumps(value) + "\n").encode())
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    # What a runtime prints on stdout must not come between the lines.
    _ANSWERS = os.dup(1)
    os.dup2(2, 1)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
