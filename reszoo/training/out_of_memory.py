"""Out-of-memory errors become one message that names what to lower."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from reszoo.errors import MachineError, first_line
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.job import TrainingJob


@contextlib.contextmanager
def memory_errors_explained(job: TrainingJob, setup: DeviceSetup) -> Iterator[None]:
    """Explains an out-of-memory error raised inside, while building or while training."""
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        height, width, _ = job.architecture.input.shape
        reason = first_line(error)
        if "No space left" in str(error):  # TensorFlow reports a full disk with the same error.
            raise MachineError(
                "the disk is full",
                found=reason,
                hint="free disk space, then run the same command again, or `reszoo resume` the run",
            ) from error
        teachers = "".join(f" and its teacher {teacher.name}" for teacher in job.teachers)
        raise MachineError(
            f"not enough memory for {job.architecture.name}{teachers}: batch {job.batch}, images "
            f"of {height}x{width}, {setup.precision}",
            found=reason,
            hint=_advice(job, setup),
        ) from error


def _advice(job: TrainingJob, setup: DeviceSetup) -> str:
    height, width, channels = job.architecture.input.shape
    parts = 2 * setup.accumulate
    advice = []
    if job.batch > 1:
        advice += [
            f"--accumulate {parts} computes each step in {parts} parts, with the same result but "
            "for normalisation",
            f"--set-recipe batch={max(1, job.batch // 2)} makes smaller steps",
        ]
    advice.append(f"--set input.shape=[{height // 2},{width // 2},{channels}] smaller images")
    if setup.precision == "float32":
        advice.append("--set-recipe precision=mixed_bfloat16 halves what a step keeps")
    if job.teachers:
        advice.append("a smaller teacher, or one instead of several")
    return "; ".join(advice)
