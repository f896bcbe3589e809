"""Export of a trained network as a bundle: convert, compare with Keras, write what agrees."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reszoo.atomic_files import atomic_folder, write_json, write_text
from reszoo.data import ImageData
from reszoo.errors import UserError
from reszoo.exporting import parity_report
from reszoo.exporting.bundle import Bundle, Parity
from reszoo.exporting.card import CARD, as_card
from reszoo.exporting.contract import (
    SAVED_MODEL,
    build_contract,
    onnx_entry,
    saved_model_entry,
)
from reszoo.exporting.device_limits import refuse_too_large
from reszoo.exporting.examples import write_examples
from reszoo.exporting.export_job import ExportedFile, ExportJob
from reszoo.exporting.float_layers import (
    parse_float_layers,
    require_float_allowed,
    require_layers,
)
from reszoo.exporting.inference_graph import InferenceGraph, build_inference_graph
from reszoo.exporting.measure_parity import gate_error, measure_parity
from reszoo.exporting.onnx_file import ONNX, OnnxModel, require_converter, write_onnx
from reszoo.exporting.parity import Arithmetic
from reszoo.exporting.sample_images import comparison_images, generated_images
from reszoo.exporting.saved_model import LoadedSavedModel, write_saved_model
from reszoo.exporting.tflite_file import write_tflite
from reszoo.inference.calibration import calibration_images
from reszoo.inference.evaluation_data import common_classes, open_images
from reszoo.inference.trained import TrainedModel, load_trained
from reszoo.runs import Run
from reszoo.spec import load_target
from reszoo.spec.target import Target
from reszoo.tflite.contract_file import CONTRACT
from reszoo.tflite.image_metadata import LABELS
from reszoo.tflite.verdict import unknown_operators

# A SavedModel runs the same float32 operations, so a hundred images show any difference.
_SAVED_MODEL_IMAGES = 100


def export(
    trained: Run | TrainedModel | keras.Model | str | Path,
    target: Target | Path | str = "mobile-int8",
    *,
    out: Path | str | None = None,
    data: Any = None,
    gate: bool = True,
    overrides: Sequence[str] = (),
    keep_float: Sequence[str] | str = (),
    skip_bad_images: bool = False,
    data_dir: Path | str | None = None,
) -> Bundle:
    """Exports a trained network as a bundle of files that were compared with the Keras model.

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits")  # doctest: +SKIP
        >>> bundle = reszoo.export(run, "mobile-int8")  # doctest: +SKIP
        >>> bundle.tflite  # doctest: +SKIP
        PosixPath('runs/resnet8_digits-digits-1/export/mobile-int8/model.tflite')

    Args:
      trained: a run or its folder, a `.keras` file, or a Keras model whose outputs are logits.
      target: name of a target in `export/targets`, a YAML file, or a `Target`.
      out: the bundle's folder. Defaults to `export/<target>` in the run, or to
        `<network>-<target>` in the current directory for a model without a run.
      data: as for `train`. The training split calibrates, the test split compares. Defaults to
        the run's own data.
      gate: whether to refuse a bundle whose differences exceed the limits of the target. If
        False, it is written, and its contract records that the gate failed.
      overrides: changes of the target, such as `gate.images=200`.
      keep_float: names of layers of an int8 file that stay in float, together with what is fused
        into them. `auto` keeps as few as it takes to pass the gate.
      skip_bad_images: skip unreadable files of the data instead of refusing it.
      data_dir: folder of downloaded data sets.

    Returns:
      The bundle: paths, sizes, contract and parity.

    Raises:
      UserError: the network cannot be converted, there are no data to calibrate int8 on, or the
        target does not allow `keep_float`.
      GateError: the files differ from Keras beyond the limits (the report is written beside the
        bundle, as `<bundle>.parity.md`), or conversion silently failed.
      MachineError: the disk is full, or the folder is not writable.
    """
    began = time.perf_counter()
    if not isinstance(target, Target):
        target = load_target(target, overrides)
    if "onnx" in target.writes:
        require_converter()
    for problem in unknown_operators(target):
        raise UserError(problem.text, expected="operators of TFLite", hint=problem.hint)
    if isinstance(keep_float, str):
        keep_float = parse_float_layers(keep_float)
    if keep_float:
        require_float_allowed(target)
    source = load_trained(trained)
    has_data = data is not None or source.run is not None
    image_data = open_images(source, data, skip_bad_images, data_dir) if has_data else None
    network = build_inference_graph(source)
    require_layers(keep_float, [layer.name for layer in network.reference.layers])
    refuse_too_large(network.plan, target)
    if image_data is not None:
        outputs = source.model.output_shape[-1]
        classes = common_classes(outputs, source.classes, image_data)
        network = replace(network, classes=classes)
        image_data = image_data.with_class_order(classes)
    folder = Path(out) if out is not None else _default_folder(source, network, target)
    _refuse_foreign_folder(folder)
    if keep_float and network.is_fake_quantized:
        raise UserError(
            f"{network.name} was trained for int8: none of its layers can stay in float",
            expected="--keep-float only for a run that was trained in float",
            hint="leave out --keep-float, or export the run that it was trained from",
        )
    job = _prepare(network, target, source, image_data, refuse_noise=gate)
    job = replace(job, keep_float=tuple(keep_float))
    try:
        return _write_bundle(job, folder, gate=gate, began=began)
    finally:
        gc.collect()  # a converter leaves cycles behind that hold whole copies of the weights


def _prepare(
    network: InferenceGraph,
    target: Target,
    source: TrainedModel,
    data: ImageData | None,
    *,
    refuse_noise: bool,
) -> ExportJob:
    image_format = network.image_format
    _refuse_other_precision(network, target)
    calibrates = target.calibrates and not network.is_fake_quantized
    if data is None and calibrates:
        raise UserError(
            f"the target {target.name} needs training images to calibrate {target.quantization}",
            found="a model without a run, and no data",
            hint="pass the data it was trained on with --data, or export its run folder",
        )
    if data is None:
        return ExportJob(network, target, generated_images(image_format), None)
    held_out = source.run.data().get("validation") if source.run is not None else None
    samples = comparison_images(data, image_format, target.gate.images, validation=held_out)
    calibration = None
    if calibrates:
        calibration = calibration_images(
            data, image_format, target.calibration, validation=held_out, check=refuse_noise
        )
    return ExportJob(network, target, samples, calibration)


def _refuse_other_precision(network: InferenceGraph, target: Target) -> None:
    """Refuses a file of a fake-quantized network in any precision but the one it has learned.

    A SavedModel rounds as the network does.
    """
    is_float = "onnx" in target.writes or (
        "tflite" in target.writes and target.quantization != "int8"
    )
    if network.is_fake_quantized and is_float:
        raise UserError(
            f"{target.name} cannot take {network.name}, which was trained with --quantize int8",
            expected="a target with `quantization: int8`",
            found=f"quantization: {target.quantization}",
            hint="export with --target mobile-int8, or export the run that it was trained from",
        )


def _default_folder(source: TrainedModel, network: InferenceGraph, target: Target) -> Path:
    if source.run is not None:
        return source.run.path / "export" / target.name
    return Path(f"{network.name}-{target.name}")


def _refuse_foreign_folder(folder: Path) -> None:
    """Raises if the folder holds anything but an older bundle, which may be replaced."""
    if not folder.exists() or (folder / CONTRACT).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UserError(
            f"{folder} exists and is not a bundle",
            expected="a new or empty folder, or a bundle to replace",
            hint="choose another name with -o",
        )


def _write_bundle(job: ExportJob, folder: Path, *, gate: bool, began: float) -> Bundle:
    refusal_report = folder.with_name(f"{folder.name}.parity.md")
    expected = job.network.log_probabilities(job.samples.images)
    writers = {"saved_model": _write_saved_model, "tflite": write_tflite, "onnx": _write_onnx}
    with atomic_folder(folder) as temporary:
        files = [
            write(job, expected, temporary)
            for name, write in writers.items()
            if name in job.target.writes
        ]
        parity = measure_parity(job, expected, files, temporary)
        if gate and not parity.passed:
            write_text(refusal_report, parity_report.as_markdown(parity, job.network.name))
            raise gate_error(job, parity, refusal_report)
        contract = _write_documents(job, expected, files, parity, temporary)
    refusal_report.unlink(missing_ok=True)
    sizes = {file.name: file.entry["bytes"] for file in files}
    return Bundle(
        path=folder,
        target=job.target.name,
        gate=contract["gate"],
        parity=parity,
        contract=contract,
        keras_bytes=job.network.weight_bytes,
        saved_model_bytes=sizes.get("saved_model"),
        tflite_bytes=sizes.get("tflite"),
        onnx_bytes=sizes.get("onnx"),
        seconds=time.perf_counter() - began,
    )


def _write_saved_model(job: ExportJob, expected: np.ndarray, folder: Path) -> ExportedFile:
    path = folder / SAVED_MODEL
    write_saved_model(job.network, path, job.target.folded)
    arithmetic: Arithmetic = "bfloat16" if job.target.folded == "bfloat16" else "float32"
    if job.network.is_fake_quantized:
        # It rounds as well: a difference in the last bit of a float kernel can become a whole step.
        arithmetic = "int8"
    rows = job.samples.evenly_spaced(_SAVED_MODEL_IMAGES if arithmetic == "float32" else None)
    probabilities = LoadedSavedModel(path).probabilities(job.samples.images[rows])
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    entry = saved_model_entry(job.network, size, arithmetic)
    return ExportedFile("saved_model", rows, probabilities, entry, arithmetic)


def _write_onnx(job: ExportJob, expected: np.ndarray, folder: Path) -> ExportedFile:
    path = folder / ONNX
    write_onnx(job.network, path)
    model = OnnxModel(path)
    rows = job.samples.evenly_spaced(model.most_images)
    entry = onnx_entry(job.network, path.stat().st_size, model.runtime)
    probabilities = model.probabilities(job.samples.images[rows])
    return ExportedFile("onnx", rows, probabilities, entry, "float32")


def _write_documents(
    job: ExportJob, expected: np.ndarray, files: list[ExportedFile], parity: Parity, folder: Path
) -> dict[str, Any]:
    """Writes labels, parity reports, golden image and contract, and returns the contract."""
    write_text(folder / LABELS, "".join(f"{label}\n" for label in job.network.labels))
    write_json(folder / "parity.json", parity_report.as_json(parity))
    write_text(folder / "parity.md", parity_report.as_markdown(parity, job.network.name))
    gate = "passed" if parity.passed else "failed"
    example = write_examples(job, expected, files, folder)
    entries = {file.name: file.entry for file in files}
    write_text(folder / CARD, as_card(job, expected, entries, parity, folder))
    contract = build_contract(
        job.network, job.target, gate=gate, files=entries, example=example, folder=folder
    )
    write_json(folder / CONTRACT, contract)
    return contract
