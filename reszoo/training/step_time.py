"""The time of one training step of an untrained network, which predicts the time of a training."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from reszoo.data.images.resizing import training_format
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.assembly import assemble
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.fit_to_data import fit_to_data
from reszoo.training.job import prepare
from reszoo.training.options import DataOptions, DistributionOptions
from reszoo.training.teachers import Teachers, load_teachers

_STEPS = 3


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time of a training step, and what a training repeats it for."""

    seconds: float
    """Wall time of one step, the median of three."""
    batch: int
    """Images of one step."""
    start_seconds: float
    """Wall time until the first step is done: building and tracing."""
    train_images: int
    val_images: int
    """Images held out."""


def step_time(
    architecture: Architecture,
    recipe: Recipe,
    data: DataOptions,
    *,
    teacher: Teachers | None = None,
    seed: int = 0,
) -> StepTime:
    """Builds a network, and times its training step on one batch of the data.

    Reading and augmenting further batches is left out.

    Raises:
      UserError: network, recipe and data do not fit each other.
    """
    setup = device_setup(DistributionOptions(strategy="one")).in_precision(recipe.precision)
    images = open_data(data.data, skip_bad_images=data.skip_bad_images, data_dir=data.data_dir)
    recipe = recipe.model_copy(update={"precision": setup.precision})
    teachers = load_teachers(teacher, setup.precision)
    architecture = fit_to_data(architecture, recipe, images)
    job = prepare(architecture, recipe, images, seed=seed, teachers=teachers)
    began = time.perf_counter()
    loop = assemble(job, setup).loop
    feed = batches(
        job.train_split,
        training_format(job.architecture.input),
        batch_size=job.batch,
        seed=seed,
        augmentation=recipe.augmentation,
        fill=[0.0] * job.architecture.input.shape[-1],
        drop_remainder=True,
        in_memory=False,
    )
    ((pixels, targets),) = feed.take(1)
    loop.train(pixels, targets)
    first = time.perf_counter() - began
    times = []
    for _ in range(_STEPS):
        step_began = time.perf_counter()
        loop.train(pixels, targets)
        # Reading a result waits for a device that computes in the background.
        loop.results(loop.training_metrics)
        times.append(time.perf_counter() - step_began)
    return StepTime(
        seconds=statistics.median(times),
        batch=job.batch,
        start_seconds=first,
        train_images=len(job.train_split),
        val_images=0 if job.val_split is None else len(job.val_split),
    )
