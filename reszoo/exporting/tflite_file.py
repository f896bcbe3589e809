"""The `.tflite` of a bundle: conversion, metadata, memory plan, and checks of the result."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.errors import GateError
from reszoo.exporting.contract import tflite_entry
from reszoo.exporting.device_limits import refuse_oversized
from reszoo.exporting.export_job import ExportedFile, ExportJob
from reszoo.exporting.float_layers import AUTO
from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.keep_float import find_float_units
from reszoo.exporting.layer_parity import layer_names
from reszoo.exporting.learned_ranges import check_learned_ranges
from reszoo.exporting.mixed_precision import MixedPrecision, Unit
from reszoo.exporting.parity import compare
from reszoo.exporting.report_progress import report_progress
from reszoo.exporting.tflite_converter import convert
from reszoo.inference.calibration import SampleImages
from reszoo.spec.target import Target
from reszoo.tflite.arena import arena_of
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.image_metadata import put_image_metadata
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.memory_plan import MemoryPlan, plan_memory, put_memory_plan
from reszoo.tflite.model_file import MODEL_FILE, read_model
from reszoo.tflite.verdict import judge

_SMALLEST_SHARE = {"none": 0.8, "float16": 0.4, "dynamic": 0.2, "int8": 0.2, "int16x8": 0.2}
"""Smallest plausible file by precision, as a fraction of the float32 weights: a smaller file has
lost some of them."""


def write_tflite(job: ExportJob, expected: np.ndarray, folder: Path) -> ExportedFile:
    """Writes the `.tflite` of a job into a bundle's folder, and runs it on the sample images.

    `expected` are Keras's log-probabilities for those images, `(images, classes)`.

    Raises:
      UserError: TFLite lacks an operation of the network, or the file exceeds a limit of the
        target.
      GateError: the file has lost weights or learned ranges, or does not meet the target.
    """
    converted, float_units = _convert(job, expected, folder)
    model, plan = complete_tflite(converted, job.network, job.target)
    refuse_lost_weights(model, job.network.weight_bytes, job.target)
    arena = arena_of(model) if _has_arena(job.target) else None
    refuse_oversized(model, job.target, job.network.plan, arena)
    refuse_other_content(
        model,
        job.target,
        [tensor for unit in float_units for tensor in unit.tensors],
        layers=[layer.name for layer in job.network.reference.layers],
    )
    if job.network.is_fake_quantized:
        check_learned_ranges(model, job.network.model)
    path = folder / MODEL_FILE
    path.write_bytes(model.content)
    interpreter = TFLiteInterpreter(path)
    images = report_progress(job.samples.images, "comparing the .tflite")
    probabilities = interpreter.probabilities(images)
    entry = tflite_entry(interpreter, model, job.target, arena, plan)
    if job.calibration is not None:
        entry["calibration"] = _calibration_entry(job.calibration, job.target.calibration.seed)
    layers = tuple(layer for unit in float_units for layer in unit.layers)
    if layers:
        entry["float_layers"] = list(layers)
    rows = job.samples.evenly_spaced(None)
    return ExportedFile("tflite", rows, probabilities, entry, job.tflite_arithmetic, layers)


def mixed_precision_of(job: ExportJob, folder: Path) -> MixedPrecision:
    """Returns the calibrated network of a job, any layer of which can be kept in float."""
    if job.calibration is None:
        raise ValueError("an int8 target needs calibration images")
    return MixedPrecision(job.network, job.target, job.calibration.images, scratch=folder)


def _convert(job: ExportJob, expected: np.ndarray, folder: Path) -> tuple[bytes, tuple[Unit, ...]]:
    """Returns the converted file, and its layers that are kept in float."""
    if not job.keep_float:
        calibration = job.calibration.images if job.calibration is not None else None
        return convert(job.network, job.target, calibration, scratch=folder), ()
    mixed = mixed_precision_of(job, folder)
    if job.keep_float != AUTO:
        units = mixed.find(job.keep_float)
        return mixed.convert(units), units
    images, labels = job.samples.images, job.samples.labels

    def passes(units: Sequence[Unit]) -> bool:
        progress = report_progress(images, f"comparing with {len(units)} layers in float")
        answers = TFLiteInterpreter(mixed.convert(units)).probabilities(progress)
        return compare("tflite", expected, answers, labels, job.target.gate, "int8").agrees

    units = find_float_units(mixed, passes)
    return mixed.convert(units), units


def refuse_lost_weights(model: TFLiteModel, weight_bytes: int, target: Target) -> None:
    """Checks that a file contains the weights of its network, `weight_bytes` in float32.

    Raises:
      GateError: it does not; converting a function of a Keras 3 model can lose them silently.
    """
    operators = [operator.name for graph in model.graphs for operator in graph.operators]
    variables = operators.count("VAR_HANDLE")
    least = _SMALLEST_SHARE[target.quantization] * weight_bytes
    if variables or len(model.content) < least:
        raise GateError(
            "the .tflite has lost the weights of the network",
            expected=f"at least {least:,.0f} bytes, no variables",
            found=f"{len(model.content):,} bytes, {variables} VAR_HANDLE operators",
            hint="export with --target server, whose SavedModel keeps the weights",
        )


def refuse_other_content(
    model: TFLiteModel,
    target: Target,
    keep_float: Collection[str] = (),
    *,
    layers: Sequence[str] = (),
) -> None:
    """Checks dtypes, shapes, operators and precision of a file against its target.

    `keep_float` are the names of the tensors whose operators may compute in float; `layers` are
    the network's, to name the one at fault.

    Raises:
      GateError: the file does not meet the target.
    """
    limitless = target.model_copy(update={"limits": type(target.limits)()})
    problems = judge(model, limitless, keep_float=keep_float).problems
    if problems:
        first, *others = problems
        texts = [
            f"{problem.text} ({_where(model, problem.tensor, layers)})"
            if problem.tensor
            else problem.text
            for problem in others
        ]
        raise GateError(
            f"the .tflite does not meet the target {target.name}",
            where=_where(model, first.tensor, layers) if first.tensor else None,
            found="; ".join([first.text, *texts]),
            hint=first.hint,
        )


def _where(model: TFLiteModel, tensor: str, layers: Sequence[str]) -> str:
    """Names the layer of a tensor, which the tensor's name tells; else the tensor."""
    names = [tensor, *(each.name for each in model.main.tensors)]
    found = layer_names(names, {layer: position for position, layer in enumerate(layers)})[0]
    return f"the layer {found[-1]}" if found else f"the tensor {tensor}"


def complete_tflite(
    content: bytes, network: InferenceGraph, target: Target
) -> tuple[TFLiteModel, MemoryPlan | None]:
    """Adds to a converted file the metadata and the memory plan that the target asks for.

    Returns:
      The file, and the memory plan that was computed for it: None where the target speaks of no
      arena, or where the arena cannot be computed. A plan that saves nothing is not in the file.
    """
    if target.metadata:
        content = put_image_metadata(
            content,
            name=network.name,
            description=network.title or f"{network.name}, an image classifier",
            channels=network.image_shape[-1],
            labels=network.labels,
        )
    model = read_model(content, MODEL_FILE)
    plan = plan_memory(model) if _has_arena(target) else None
    if plan is None or not target.memory_plan:
        return model, plan
    return read_model(put_memory_plan(model, plan), MODEL_FILE), plan


def _calibration_entry(sample: SampleImages, seed: int) -> dict[str, Any]:
    """Says which images set the ranges; the hash is of their uint8 pixels, image after image."""
    pixels = np.ascontiguousarray(sample.images)
    digest = hashlib.sha256(pixels.data).hexdigest()
    return {"source": sample.source, "images": len(pixels), "seed": seed, "sha256": digest}


def _has_arena(target: Target) -> bool:
    return target.memory_plan or target.limits.arena_bytes is not None
