"""How does a trained network become a bundle? Convert, compare, and write only what agrees."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reszoo.atomic_files import atomic_folder, write_json, write_text
from reszoo.data import ImageData
from reszoo.errors import GateError, UserError
from reszoo.exporting import parity_report
from reszoo.exporting.bundle import Bundle, Parity
from reszoo.exporting.contract import (
    LABELS,
    SAVED_MODEL,
    TFLITE,
    contract,
    saved_model_part,
    tflite_part,
)
from reszoo.exporting.golden_example import golden_index, worked_example
from reszoo.exporting.inference_graph import InferenceGraph, network_of
from reszoo.exporting.layer_parity import compare_layers, first_different
from reszoo.exporting.parity import Arithmetic, Comparison, compare
from reszoo.exporting.sample_images import (
    SampleImages,
    calibration_pictures,
    comparison_pictures,
    generated_pictures,
)
from reszoo.exporting.saved_model import SavedModelRunner, write_saved_model
from reszoo.exporting.tflite_checks import check_file, check_pixels
from reszoo.exporting.tflite_converter import convert
from reszoo.inference.evaluate import common_classes, open_images
from reszoo.inference.tflite_interpreter import TFLiteInterpreter
from reszoo.inference.trained import TrainedModel, load_trained
from reszoo.runs import Run
from reszoo.spec import load_target
from reszoo.spec.target import Target

# A SavedModel runs the same float32 operations, so a hundred images show any difference.
_SAVED_MODEL_IMAGES = 100
_LAYER_IMAGES = 4


def export(
    trained: Run | TrainedModel | keras.Model | str | Path,
    target: Target | Path | str = "mobile-int8",
    *,
    out: Path | str | None = None,
    data: Any = None,
    gate: bool = True,
    overrides: Sequence[str] = (),
    skip_bad_images: bool = False,
    data_dir: Path | str | None = None,
) -> Bundle:
    """Exports a trained network as a bundle, after comparing it with the Keras model.

        >>> import reszoo
        >>> bundle = reszoo.export("runs/digits-resnet8-1", "mobile-int8")  # doctest: +SKIP
        >>> bundle.tflite, bundle.tflite_bytes  # doctest: +SKIP
        (PosixPath('runs/digits-resnet8-1/export/mobile-int8/model.tflite'), 29856)

    Args:
      trained: a run or its folder, a `.keras` file, or a Keras model that gives logits.
      target: a name of `export/targets`, a file, or a value.
      out: the bundle's folder; `export/<target>` in the run unless given, or
        `<network>-<target>` here for a model without a run.
      data: as for `train`; a run's own data unless given. Calibrates (training split) and
        compares (test split).
      gate: whether a bundle that disagrees beyond the target's limits is refused. If not, it is
        written and its contract says that the gate failed.
      overrides: changes of the target, such as `gate.images=200`.
      skip_bad_images: leave broken files of the data out instead of refusing it.
      data_dir: where downloaded data sets lie.

    Raises:
      UserError: the network cannot be converted, or int8 has no data to calibrate on.
      GateError: the files disagree with Keras (the report stands beside the bundle, as
        `<bundle>.parity.md`), or are not what they claim to be.
      MachineError: the disk is full, or the folder cannot be written.
    """
    began = time.perf_counter()
    chosen = target if isinstance(target, Target) else load_target(target, overrides)
    source = load_trained(trained)
    images = _open(source, data, skip_bad_images, data_dir)
    network = network_of(source)
    if images is not None:
        network = replace(
            network, classes=common_classes(source.model.output_shape[-1], source.classes, images)
        )
    folder = Path(out) if out is not None else _default_folder(source, network, chosen)
    _refuse_foreign_folder(folder)
    job = _job(network, chosen, source, images, check=gate)
    try:
        return _write(job, folder, gate=gate, began=began)
    finally:
        gc.collect()  # a converter leaves cycles behind that hold whole copies of the weights


@dataclass(frozen=True)
class _Job:
    """All that an export starts from."""

    network: InferenceGraph
    target: Target
    pictures: SampleImages
    calibration: SampleImages | None

    @property
    def int8(self) -> bool:
        return self.target.quantization == "int8"


@dataclass(frozen=True)
class _File:
    """One written file: what it says to the pictures, and its part of the contract."""

    name: str
    probabilities: np.ndarray
    part: dict[str, Any]
    arithmetic: Arithmetic


def _open(
    source: TrainedModel, data: Any, skip_bad_images: bool, data_dir: Path | str | None
) -> ImageData | None:
    if data is None and source.run is None:
        return None
    return open_images(source, data, skip_bad_images, data_dir)


def _job(
    network: InferenceGraph,
    target: Target,
    source: TrainedModel,
    images: ImageData | None,
    *,
    check: bool,
) -> _Job:
    if images is None:
        if target.quantization == "int8":
            raise UserError(
                f"the target {target.name} needs training images to calibrate int8",
                found="a model without a run, and no data",
                hint="pass the data it was trained on with --data, or export its run folder",
            )
        return _Job(network, target, generated_pictures(network.image_format), None)
    held_out = source.run.data().get("validation") if source.run is not None else None
    pictures = comparison_pictures(
        images, network.image_format, target.gate.images, validation=held_out
    )
    if target.quantization != "int8":
        return _Job(network, target, pictures, None)
    calibration = calibration_pictures(
        images, network.image_format, target.calibration, validation=held_out, check=check
    )
    return _Job(network, target, pictures, calibration)


def _default_folder(source: TrainedModel, network: InferenceGraph, target: Target) -> Path:
    if source.run is not None:
        return source.run.path / "export" / target.name
    return Path(f"{network.name}-{target.name}")


def _refuse_foreign_folder(folder: Path) -> None:
    """A bundle replaces an older one, but never a folder that holds anything else."""
    if not folder.exists() or (folder / "contract.json").is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UserError(
            f"{folder} exists and is not a bundle",
            expected="a new or empty folder, or a bundle to replace",
            hint="choose another name with -o",
        )


def _write(job: _Job, folder: Path, *, gate: bool, began: float) -> Bundle:
    refused = folder.with_name(f"{folder.name}.parity.md")
    expected = job.network.log_probabilities(job.pictures.images)
    with atomic_folder(folder) as temporary:
        files = _files(job, temporary)
        parity = _parity(job, expected, files, temporary)
        if gate and not parity.passed:
            write_text(refused, parity_report.as_text(parity, job.network.name))
            raise _refusal(job, parity, refused)
        facts = _finish(job, expected, files, parity, temporary)
    refused.unlink(missing_ok=True)
    sizes = {file.name: file.part["bytes"] for file in files}
    return Bundle(
        path=folder,
        target=job.target.name,
        gate=facts["gate"],
        parity=parity,
        contract=facts,
        keras_bytes=job.network.weight_bytes,
        saved_model_bytes=sizes.get("saved_model"),
        tflite_bytes=sizes.get("tflite"),
        seconds=time.perf_counter() - began,
    )


def _files(job: _Job, folder: Path) -> list[_File]:
    makers = {"saved_model": _saved_model, "tflite": _tflite}
    return [makers[name](job, folder) for name in makers if name in job.target.writes]


def _saved_model(job: _Job, folder: Path) -> _File:
    path = folder / SAVED_MODEL
    folded = job.target.folded
    write_saved_model(job.network, path, folded)
    arithmetic: Arithmetic = "bfloat16" if folded == "bfloat16" else "float32"
    most = _SAVED_MODEL_IMAGES if arithmetic == "float32" else None
    images = job.pictures.images[:most]
    runner = SavedModelRunner(path)
    probabilities = runner.probabilities(images)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    part = saved_model_part(job.network, size, arithmetic)
    return _File("saved_model", probabilities, part, arithmetic)


def _tflite(job: _Job, folder: Path) -> _File:
    calibration = job.calibration.images if job.calibration is not None else None
    content = convert(job.network, job.target, calibration, scratch=folder)
    contents = check_file(content, job.network.weight_bytes, job.target)
    (folder / TFLITE).write_bytes(content)
    runner = TFLiteInterpreter(folder / TFLITE)
    if job.int8 and job.target.input == "uint8":
        check_pixels(runner.input)
    probabilities = runner.probabilities(job.pictures.images)
    part = tflite_part(runner, contents, len(content))
    return _File("tflite", probabilities, part, "int8" if job.int8 else "float32")


def _parity(job: _Job, expected: np.ndarray, files: list[_File], folder: Path) -> Parity:
    comparisons = tuple(_compared(job, expected, file) for file in files)
    parity = Parity(
        target=job.target.name,
        source=job.pictures.source,
        calibration=job.calibration.source if job.calibration is not None else None,
        comparisons=comparisons,
        notes=(job.network.note,) if job.network.note else (),
    )
    tflite = parity.of("tflite")
    if tflite is None or tflite.agrees:
        return parity
    layers = compare_layers(
        job.network.reference,
        (folder / TFLITE).read_bytes(),
        job.pictures.images[:_LAYER_IMAGES],
    )
    return replace(parity, layers=layers, begins=first_different(layers, int8=job.int8))


def _compared(job: _Job, expected: np.ndarray, file: _File) -> Comparison:
    count = len(file.probabilities)
    labels = job.pictures.labels[:count] if job.pictures.labels is not None else None
    return compare(
        file.name, expected[:count], file.probabilities, labels, job.target.gate, file.arithmetic
    )


def _refusal(job: _Job, parity: Parity, written: Path) -> GateError:
    where = f"it begins in {parity_report.begins(parity.begins)}" if parity.begins else None
    return GateError(
        f"the gate of {job.target.name} refused the bundle: it was not written",
        where=where,
        expected="the limits of the target's gate",
        found="; ".join(parity_report.failures(parity)),
        hint=f"read {written}; --no-gate writes the bundle and marks it",
    )


def _finish(
    job: _Job, expected: np.ndarray, files: list[_File], parity: Parity, folder: Path
) -> dict[str, Any]:
    """Writes the labels, the contract, the golden image and the report."""
    write_text(folder / LABELS, "".join(f"{_one_line(name)}\n" for name in job.network.classes))
    write_json(folder / "parity.json", parity_report.as_json(parity))
    write_text(folder / "parity.md", parity_report.as_text(parity, job.network.name))
    facts = contract(
        job.network,
        job.target,
        gate="passed" if parity.passed else "failed",
        files={file.name: file.part for file in files},
        example=_example(job, expected, files, folder),
    )
    write_json(folder / "contract.json", facts)
    return facts


def _example(job: _Job, expected: np.ndarray, files: list[_File], folder: Path) -> dict[str, Any]:
    count = min(len(file.probabilities) for file in files)
    labels = job.pictures.labels[:count] if job.pictures.labels is not None else None
    answers = [np.exp(expected[:count]), *(file.probabilities[:count] for file in files)]
    index = golden_index(answers, labels)
    return worked_example(
        job.network,
        job.pictures.images[index],
        int(labels[index]) if labels is not None else None,
        {file.name: (file.probabilities[index], file.arithmetic) for file in files},
        folder,
    )


def _one_line(name: str) -> str:
    return " ".join(name.splitlines())
