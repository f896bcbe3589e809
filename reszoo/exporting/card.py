"""CARD.md: a one-page summary of a bundle, for people who use it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.exporting.bundle import Parity
from reszoo.exporting.export_job import ExportJob
from reszoo.exporting.parity_report import TITLES
from reszoo.inference.metrics import wilson_interval
from reszoo.planning.cost import cost
from reszoo.spec.target import Target
from reszoo.system_info import processor_name
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.model_file import MODEL_FILE

CARD = "CARD.md"
_WARM_UP, _TIMED = 5, 30
_SLOWEST_SECONDS = 2.0


def as_card(
    job: ExportJob, expected: np.ndarray, entries: dict[str, Any], parity: Parity, folder: Path
) -> str:
    """Returns the text of CARD.md.

    Args:
      job: the network, the target and the sample images.
      expected: Keras's log-probabilities for the sample images, `(images, classes)`.
      entries: those of `files` in the contract.
      parity: the comparison with Keras.
      folder: the bundle's, with its files.
    """
    sections = [
        _heading(job),
        _facts(job, entries, folder),
        _accuracy(job, expected, parity),
        _how_to_run(job.target, entries),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _heading(job: ExportJob) -> list[str]:
    network, target = job.network, job.target
    height, width, channels = network.image_shape
    classes = len(network.classes)
    lines = [f"# {network.name} for {target.name}", ""]
    if network.title:
        lines += [f"{network.title}.", ""]
    if target.title:
        lines += [f"{target.title}.", ""]
    lines.append(
        f"Classifies images of {height} x {width} pixels and {channels} "
        f"{'channel' if channels == 1 else 'channels'} into {classes:,} classes (labels.txt). "
        "contract.json describes how to turn an image into the input."
    )
    return lines


def _facts(job: ExportJob, entries: dict[str, Any], folder: Path) -> list[str]:
    rows = [
        (f"{TITLES[name]} ({entry['path']})", f"{entry['bytes']:,} bytes")
        for name, entry in entries.items()
    ]
    if job.network.plan is not None:
        network = cost(job.network.plan)
        rows.append(("parameters", f"{network.parameters:,}"))
        rows.append(("multiply-adds", f"{network.macs:,}"))
    if tflite := entries.get("tflite"):
        rows += _tflite_rows(tflite, job.target)
        rows.append(("latency", _latency(job, folder)))
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _tflite_rows(entry: dict[str, Any], target: Target) -> Iterator[tuple[str, str]]:
    source, answer = entry["inputs"][0], entry["outputs"][0]
    yield "input", f"{source['dtype']} {_shape(source)}: {source['formula']}"
    yield "output", f"{answer['dtype']} {_shape(answer)}: {answer['formula']}"
    operators = entry["operators"]
    yield "operators", ", ".join(f"{name} x{count}" for name, count in operators.items())
    if arena := entry.get("arena"):
        text = (
            f"{arena['bytes']:,} bytes in TFLite-Micro: {arena['feature_map_bytes']:,} for feature "
            f"maps, {arena['own_bytes']:,} for its own data ({arena['source']})"
        )
        if "tflite_micro_bytes" in arena:
            text += (
                f"; for the feature maps, the lower bound is {arena['lower_bound_bytes']:,} and "
                f"TFLite-Micro's own planner needs {arena['tflite_micro_bytes']:,}"
            )
        yield "arena", text
    if target.metadata:  # without them, the file is not for MediaPipe
        mediapipe = entry["mediapipe"]
        words = "opens it" if mediapipe["opens"] else f"refuses it: {mediapipe['why']}"
        yield "MediaPipe Tasks", words


def _shape(tensor: dict[str, Any]) -> str:
    return f"({', '.join(map(str, tensor['shape']))})"


def _latency(job: ExportJob, folder: Path) -> str:
    """Returns the latency of the file on this machine with one thread."""
    interpreter = TFLiteInterpreter(folder / MODEL_FILE, threads=1)
    image = job.samples.images[0]
    began = time.perf_counter()
    seconds: list[float] = []
    while len(seconds) < _WARM_UP + _TIMED:
        start = time.perf_counter()
        interpreter.invoke(image)
        seconds.append(time.perf_counter() - start)
        if time.perf_counter() - began > _SLOWEST_SECONDS:
            break
    timed = seconds[_WARM_UP:] or seconds
    return (
        f"{1000 * float(np.median(timed)):.3g} ms on one thread of {processor_name()}, the machine "
        "that exported the file, not the target device"
    )


def _accuracy(job: ExportJob, expected: np.ndarray, parity: Parity) -> list[str]:
    """Returns accuracies that can be compared: of Keras and of files, all on the same images."""
    labels = job.samples.labels
    lines = [f"Compared with the Keras model on {parity.source}; parity.md has the details."]
    if labels is None:
        return lines
    images = len(labels)
    rows = [("Keras model", float((expected.argmax(-1) == labels).mean()), "")]
    fewer = []
    for each in parity.comparisons:
        if each.images < images:
            fewer.append(f"{TITLES[each.file]} ({each.images:,})")
        elif each.accuracy is not None:
            rows.append((TITLES[each.file], each.accuracy, f"{each.agreement:.2%}"))
    lines += ["", f"| | accuracy on {images:,} images | same class as Keras |", "|---|---|---|"]
    lines += [
        f"| {name} | {_with_interval(value, images)} | {same} |" for name, value, same in rows
    ]
    if fewer:
        lines += ["", f"Compared on fewer of these images, and not listed: {', '.join(fewer)}."]
    return lines


def _with_interval(accuracy: float, images: int) -> str:
    low, high = wilson_interval(round(accuracy * images), images)
    return f"{accuracy:.2%} (95 % confidence interval {low:.2%} to {high:.2%})"


def _how_to_run(target: Target, entries: dict[str, Any]) -> list[str]:
    lines = ["## How to run it", "", "In the folder of the bundle:", ""]
    if "tflite" in entries:
        lines.append("    reszoo predict . IMAGE.jpg")
    lines += ["    reszoo verify .", ""]
    if target.vela is not None:
        options = target.vela
        lines += [
            "For the NPU, compile model.tflite with Vela:",
            "",
            f"    vela model.tflite --accelerator-config {options.accelerator} \\",
            f"        --config Arm/vela.ini --system-config {options.system_config} \\",
            f"        --memory-mode {options.memory_mode}",
            "",
        ]
    clients = ", ".join(f"export/clients/{name}" for name in _clients(target, entries))
    if clients:
        lines.append(
            f"Without reszoo: the example programs in its repository ({clients}) read "
            "contract.json, check themselves by the golden example and classify images."
        )
    else:
        lines.append(
            "Without reszoo: contract.json describes the input and the outputs of every file, and "
            "what they are for golden.png."
        )
    return lines


def _clients(target: Target, entries: dict[str, Any]) -> Iterator[str]:
    """Yields the example programs that use the files of a target."""
    if "tflite" in entries:
        if target.memory_plan:
            yield "micro"
        yield from ("python", "c")
        if not target.is_integer_only:
            yield from ("web", "android")
    if "saved_model" in entries:
        yield "serving"
