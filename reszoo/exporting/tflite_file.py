"""The `.tflite` of a bundle: converted, completed with metadata and memory plan, checked."""

from __future__ import annotations

from pathlib import Path

from reszoo.errors import GateError
from reszoo.exporting.contract import tflite_entry
from reszoo.exporting.device_limits import refuse_oversized
from reszoo.exporting.job import ExportedFile, ExportJob
from reszoo.exporting.tflite_converter import convert
from reszoo.spec.target import Target
from reszoo.tflite.arena import arena_of
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.image_metadata import put_image_metadata
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.memory_plan import plan_memory, put_memory_plan
from reszoo.tflite.model_file import MODEL_FILE, read_model
from reszoo.tflite.verdict import judge

_SMALLEST_SHARE = {"none": 0.8, "float16": 0.4, "dynamic": 0.2, "int8": 0.2, "int16x8": 0.2}
"""Of the bytes of the weights in float32, by precision; a smaller file has lost weights."""


def write_tflite(job: ExportJob, folder: Path) -> ExportedFile:
    """Writes the `.tflite` of a job into a bundle's folder, and runs it on the sample images.

    Raises:
      UserError: TFLite lacks an operation of the network, or the file exceeds a limit of the
        target.
      GateError: the conversion failed silently, or the file is not what the target asks for.
    """
    calibration = job.calibration.images if job.calibration is not None else None
    converted = convert(job.network, job.target, calibration, scratch=folder)
    model = read_model(_complete(converted, job), MODEL_FILE)
    refuse_lost_weights(model, job.network.weight_bytes, job.target)
    arena = arena_of(model) if _has_arena(job.target) else None
    refuse_oversized(model, job.target, job.network.plan, arena)
    refuse_other_content(model, job.target)
    path = folder / MODEL_FILE
    path.write_bytes(model.content)
    interpreter = TFLiteInterpreter(path)
    probabilities = interpreter.probabilities(job.samples.images)
    plan = plan_memory(model) if arena is not None else None
    entry = tflite_entry(interpreter, model, job.target, arena, plan)
    return ExportedFile("tflite", probabilities, entry, job.tflite_arithmetic)


def refuse_lost_weights(model: TFLiteModel, weight_bytes: int, target: Target) -> None:
    """Checks that a file holds the weights of its network, `weight_bytes` in float32.

    Raises:
      GateError: it does not, as where a function of a Keras 3 model is converted.
    """
    operators = [operator.name for graph in model.graphs for operator in graph.operators]
    variables = operators.count("VAR_HANDLE")
    least = _SMALLEST_SHARE[target.quantization] * weight_bytes
    if variables or len(model.content) < least:
        raise GateError(
            "the .tflite has lost the weights of the network",
            expected=f"at least {least:,.0f} bytes, no variables",
            found=f"{len(model.content):,} bytes, {variables} VAR_HANDLE operators",
            hint="export with --target server; the SavedModel has them",
        )


def refuse_other_content(model: TFLiteModel, target: Target) -> None:
    """Checks dtypes, shapes, operators and precision of a file by its target.

    Raises:
      GateError: the file is not what the target asks for.
    """
    limitless = target.model_copy(update={"limits": type(target.limits)()})
    problems = judge(model, limitless).problems
    if problems:
        first = problems[0]
        raise GateError(
            f"the .tflite is not what the target {target.name} asks for",
            where=f"the tensor {first.tensor}" if first.tensor else None,
            found="; ".join(problem.text for problem in problems),
            hint=first.hint,
        )


def _complete(content: bytes, job: ExportJob) -> bytes:
    network, target = job.network, job.target
    if target.metadata:
        content = put_image_metadata(
            content,
            name=network.name,
            description=network.title or f"{network.name}, an image classifier",
            channels=network.image_shape[-1],
            labels=network.labels,
        )
    return put_memory_plan(content) if target.memory_plan else content


def _has_arena(target: Target) -> bool:
    return target.memory_plan or target.limits.arena_bytes is not None
