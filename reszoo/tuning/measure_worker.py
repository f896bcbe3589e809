"""The helper process of a search: it measures untrained networks, and alone imports TensorFlow.

One request a line (see `reszoo.runs.line_process`), an object with one key:

    {"file": {"spec", "target", "judge", "latency"}}  ->  a `Measurement` as an object
    {"step": {"spec", "recipe", "data", "skip_bad_images", "data_dir", "teachers", "seed"}}
        ->  a `StepTime`
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from reszoo import spec
from reszoo.errors import UserError
from reszoo.keras_import import import_lean_keras
from reszoo.runs.line_process import serve
from reszoo.tuning.measurement import Measurement

_WARM_RUNS, _RUNS = 3, 20


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers a request."""
    ((kind, words),) = request.items()
    try:
        return _TASKS[kind](words)
    finally:
        _forget_models()


def _measure_file(words: Mapping[str, Any]) -> dict[str, Any]:
    from reszoo.exporting.untrained_file import untrained_file
    from reszoo.tflite.arena import arena_of
    from reszoo.tflite.model_file import read_model
    from reszoo.tflite.operators import macs_of
    from reszoo.tflite.verdict import judge

    target = spec.from_mapping(words["target"], "target")
    try:
        content = untrained_file(spec.from_mapping(words["spec"]), target)
    except UserError as error:  # another network of the space may well be converted
        problem = f"{error.what}: {error.found}" if error.found else error.what
        return asdict(Measurement(problems=(problem,)))
    model = read_model(content)
    arena = arena_of(model)
    return asdict(
        Measurement(
            file_bytes=len(content),
            macs=macs_of(model.main),
            arena_bytes=None if arena is None else arena.bytes,
            latency_ms=_latency_ms(content) if words["latency"] else None,
            problems=judge(model, target, arena).texts if words["judge"] else (),
        )
    )


def _latency_ms(content: bytes) -> float:
    """Returns the CPU milliseconds of one image on one thread: the median of 20 after 3 warm runs.

    CPU time is hardly changed by what else the machine does.
    """
    from reszoo.tflite.interpreter import TFLiteInterpreter, quantize

    interpreter = TFLiteInterpreter(content, threads=1)
    shape = tuple(interpreter.input["shape"])
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    image = quantize(pixels, interpreter.input)
    times = []
    for _ in range(_WARM_RUNS + _RUNS):
        began = time.process_time()
        interpreter.run(image)
        times.append(time.process_time() - began)
    return round(1000 * statistics.median(times[_WARM_RUNS:]), 4)


def _measure_step(words: Mapping[str, Any]) -> dict[str, Any]:
    from reszoo.training.options import DataOptions
    from reszoo.training.step_time import step_time

    folder = words["data_dir"]
    data = DataOptions(
        words["data"],
        skip_bad_images=words["skip_bad_images"],
        data_dir=None if folder is None else Path(folder),
    )
    recipe = spec.from_mapping(words["recipe"], "recipe")
    architecture = spec.from_mapping(words["spec"])
    step = step_time(architecture, recipe, data, teacher=words["teachers"], seed=words["seed"])
    return asdict(step)


def _forget_models() -> None:
    """Frees what Keras and the converter hold on to, or each network would add its memory."""
    import keras

    keras.backend.clear_session()
    gc.collect()


_TASKS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "file": _measure_file,
    "step": _measure_step,
}


if __name__ == "__main__":
    import_lean_keras()
    serve(answer)
