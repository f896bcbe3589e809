"""What is put together for a training: the model, its loop, its judge."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from reszoo.data import ImageFormat
from reszoo.data.images.resizing import evaluation_format, training_format
from reszoo.inference.trained import at_size
from reszoo.model.build import build as build_model
from reszoo.planning.network import plan
from reszoo.training.callbacks import compile_for_callbacks
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.freezing import Freezing, freezing, paces
from reszoo.training.initial_weights import InitialWeights
from reszoo.training.job import TrainingJob
from reszoo.training.loop.loop import Loop
from reszoo.training.loop.losses import example_losses
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.optimizers.schedules import keras_rate
from reszoo.training.progressive_resizing import ProgressiveResizing
from reszoo.training.validation import Validator


@dataclass(frozen=True, slots=True)
class Assembly:
    """A model and what trains and judges it."""

    model: keras.Model
    loop: Loop
    judge: Validator
    freezing: Freezing
    sizes: ProgressiveResizing


def assemble(
    job: TrainingJob, placement: DeviceSetup, *, seed: int, start: InitialWeights | None = None
) -> Assembly:
    """Builds everything under the placement's strategy.

    Args:
      job: what trains.
      placement: where.
      seed: of the weights.
      start: other weights to begin with.

    Raises:
      UserError: the network cannot be built, or takes no such weights.
    """
    recipe = job.recipe
    training, image_format = (
        of(job.architecture.input) for of in (training_format, evaluation_format)
    )

    def build(image_format: ImageFormat, shared: keras.Model | None = None) -> keras.Model:
        with placement.strategy.scope():
            return build_model(
                at_size(job.architecture, image_format),
                dtype=placement.precision,
                seed=seed,
                device=placement.device_kind,
                sync_norm=placement.sync_norm,
                shared=shared,
            )

    with placement.strategy.scope():
        model = build(training)
        # Another network on its weights, where a spec trains and evaluates at two sizes.
        same = image_format.shape == training.shape
        judged = model if same else build(image_format, model)
        if start is not None:
            start.give(model, start.new_layers(job.data))
        frozen = freezing(plan(job.architecture), recipe)
        learning, pace = paces(model, frozen, recipe, job.steps)
        rate = keras_rate(recipe.schedule, job.steps * recipe.epochs)
        optimizer = make_optimizer(recipe.optimizer, rate, ema=recipe.ema)
        compile_for_callbacks(model, optimizer)
    loop = Loop(
        model,
        optimizer,
        recipe.optimizer,
        batch=job.batch,
        strategy=placement.strategy,
        losses=example_losses(recipe, job.class_weights),
        judge=judged,
        learning=learning,
        paces=pace,
        accumulate=placement.accumulate,
        xla=placement.xla,
        steps_per_execution=placement.steps_per_execution,
    )
    judge = Validator(job, placement, loop, model, image_format)
    sizes = ProgressiveResizing(job.architecture, recipe, model, lambda size: build(size, model))
    return Assembly(model, loop, judge, frozen, sizes)
