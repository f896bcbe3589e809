"""The worked examples of a bundle: golden image, raw tensors, photograph."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.exporting.contract import SAVED_MODEL
from reszoo.exporting.export_job import ExportedFile, ExportJob
from reszoo.exporting.golden_example import (
    choose_golden_image,
    expected_outputs,
    write_golden_example,
)
from reszoo.exporting.golden_vectors import write_golden_vectors
from reszoo.exporting.onnx_file import ONNX, OnnxModel
from reszoo.exporting.photograph import write_photograph
from reszoo.exporting.saved_model import LoadedSavedModel
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.model_file import MODEL_FILE


def write_examples(
    job: ExportJob, expected: np.ndarray, files: list[ExportedFile], folder: Path
) -> dict[str, Any]:
    """Writes the examples into a bundle's folder, and returns the contract's entry for them.

    `expected` are Keras's log-probabilities for the sample images, `(images, classes)`.
    """
    common = functools.reduce(np.intersect1d, [file.rows for file in files])
    answers = {file.name: file.probabilities[np.searchsorted(file.rows, common)] for file in files}
    labels = job.samples.labels_of(common)
    chosen = choose_golden_image([np.exp(expected[common]), *answers.values()], labels)
    image = job.samples.images[common[chosen]]
    photograph = _write_photograph(job, files, folder)
    vectors = {}
    if "tflite" in job.target.writes:
        vectors = {"vectors": {"tflite": write_golden_vectors(job, image, folder)}}
    return (
        vectors
        | photograph
        | write_golden_example(
            job.network,
            image,
            int(labels[chosen]) if labels is not None else None,
            {file.name: (answers[file.name][chosen], file.arithmetic) for file in files},
            folder,
        )
    )


def _write_photograph(job: ExportJob, files: list[ExportedFile], folder: Path) -> dict[str, Any]:
    """Writes the photograph, and returns the contract's entry under its key."""
    written = write_photograph(job.samples, job.network.image_format, folder)
    if written is None:
        return {}
    entry, pixels = written
    outputs = {}
    for file in files:
        runner = _open(file.name, folder)
        outputs[file.name] = runner.probabilities(pixels[None])[0], file.arithmetic
    return {"photograph": entry | {"expected": expected_outputs(job.network, outputs)}}


def _open(file: str, folder: Path) -> LoadedSavedModel | TFLiteInterpreter | OnnxModel:
    if file == "tflite":
        return TFLiteInterpreter(folder / MODEL_FILE)
    if file == "onnx":
        return OnnxModel(folder / ONNX)
    return LoadedSavedModel(folder / SAVED_MODEL)
