"""Parity of a bundle: its files against Keras, and the layer where a difference begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from reszoo.errors import GateError
from reszoo.exporting import parity_report
from reszoo.exporting.bundle import Parity
from reszoo.exporting.export_job import ExportedFile, ExportJob
from reszoo.exporting.layer_parity import compare_layers, first_divergent_layer
from reszoo.exporting.parity import Comparison, compare
from reszoo.exporting.reference_parity import compare_reference
from reszoo.exporting.tflite_file import mixed_precision_of
from reszoo.tflite.model_file import MODEL_FILE

_LAYER_IMAGES = 4


def measure_parity(
    job: ExportJob, expected: np.ndarray, files: list[ExportedFile], folder: Path
) -> Parity:
    """Compares the files of a bundle, written into a folder, with the Keras model.

    `expected` are Keras's log-probabilities for the sample images, `(images, classes)`. If the
    .tflite fails, its layers are compared too.
    """
    parity = Parity(
        target=job.target.name,
        source=job.samples.source,
        calibration=job.calibration.source if job.calibration is not None else None,
        comparisons=tuple(_compare_file(job, expected, file) for file in files),
        notes=(job.network.note,) if job.network.note else (),
        allows_float=job.int8 and not job.target.is_integer_only,
        float_layers=tuple(layer for file in files for layer in file.float_layers),
    )
    if job.int8 and job.target.is_integer_only:
        parity = _with_reference_parity(job, expected, parity, (folder / MODEL_FILE).read_bytes())
    tflite = parity.comparison("tflite")
    if tflite is None or tflite.agrees:
        return parity
    images = job.samples.images[job.samples.evenly_spaced(_LAYER_IMAGES)]
    layers = compare_layers(job.network.reference, (folder / MODEL_FILE).read_bytes(), images)
    return replace(
        parity,
        layers=layers,
        first_divergent=first_divergent_layer(layers, int8=job.target.quantization != "none"),
        costs=mixed_precision_of(job, folder).costs() if job.int8 and job.calibration else (),
    )


def _with_reference_parity(
    job: ExportJob, expected: np.ndarray, parity: Parity, content: bytes
) -> Parity:
    samples, limits = job.samples, job.target.gate
    reference = compare_reference(content, samples.images, samples.labels, expected, limits)
    return replace(
        parity,
        comparisons=(*parity.comparisons, *reference.comparisons),
        kernels=reference.kernels,
        notes=(*parity.notes, *reference.notes),
    )


def _compare_file(job: ExportJob, expected: np.ndarray, file: ExportedFile) -> Comparison:
    labels = job.samples.labels_of(file.rows)
    return compare(
        file.name,
        expected[file.rows],
        file.probabilities,
        labels,
        job.target.gate,
        file.arithmetic,
    )


def gate_error(job: ExportJob, parity: Parity, report: Path) -> GateError:
    """Returns the error for a bundle that exceeds its limits; `report` is the parity report."""
    layer = parity.first_divergent
    failures = parity_report.describe_failures(parity)
    if costly := parity_report.describe_costs(parity.costs):
        failures.append(f"layers most sensitive to int8, by the probability they move: {costly}")
    advice = [f"read {report}", "use --no-gate to write the bundle all the same"]
    if parity.costs:
        offers = parity_report.remedies(keep_float=parity.allows_float)
        advice = ["; or ".join(offers), *advice]
    return GateError(
        f"the gate of {job.target.name} refused the bundle: it was not written",
        where=f"it begins in {parity_report.describe_layer(layer)}" if layer else None,
        expected="the limits of the target's gate",
        found="; ".join(failures),
        hint="; ".join(advice),
    )
