"""What can a user lower when the memory of a machine or a device is not enough?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from reszoo.errors import MachineError
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.job import TrainingJob


@contextlib.contextmanager
def enough_memory(job: TrainingJob, placement: DeviceSetup) -> Iterator[None]:
    """Says what to lower when memory runs out in here, while building or while training.

    Raises:
      MachineError: it ran out.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        height, width, _ = job.architecture.input.shape
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        if any("No space left" in line for line in lines):  # TensorFlow says so of disks too.
            raise MachineError("the disk is full", found=lines[0][:200]) from error
        raise MachineError(
            f"not enough memory for {job.architecture.name}: batch {job.batch}, images of "
            f"{height}x{width}, {placement.precision}",
            found=lines[0][:200] if lines else type(error).__name__,
            hint=_advice(job, placement, height, width),
        ) from error


def _advice(job: TrainingJob, placement: DeviceSetup, height: int, width: int) -> str:
    parts = 2 * placement.accumulate
    advice = []
    if job.batch > 1:
        advice += [
            f"--accumulate {parts} computes each step in {parts} parts, with the same result but "
            "for normalisation",
            f"--set-recipe batch={max(1, job.batch // 2)} makes smaller steps",
        ]
    channels = job.architecture.input.shape[2]
    advice.append(f"--set input.shape=[{height // 2},{width // 2},{channels}] smaller images")
    if placement.precision == "float32":
        advice.append("--set-recipe precision=mixed_bfloat16 halves what a step keeps")
    return "; ".join(advice)
