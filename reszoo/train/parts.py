"""What is put together for a training: the model, its loop, its judge."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from reszoo import model as models
from reszoo.data import Geometry, evaluation_geometry, training_geometry
from reszoo.plan import plan
from reszoo.train.callbacks import compile_for_callbacks
from reszoo.train.freezing import Freezing, freezing, paces
from reszoo.train.judging import Judge
from reszoo.train.loading import at_size
from reszoo.train.loop import Loop
from reszoo.train.losses import example_losses
from reszoo.train.optimizer import make_optimizer
from reszoo.train.prepare import Job
from reszoo.train.schedule import keras_rate
from reszoo.train.sizes import Sizes
from reszoo.train.start import Start
from reszoo.train.strategy import Placement


@dataclass(frozen=True, slots=True)
class Parts:
    """A model and what trains and judges it."""

    model: keras.Model
    loop: Loop
    judge: Judge
    freezing: Freezing
    sizes: Sizes


def assemble(job: Job, placement: Placement, *, seed: int, start: Start | None = None) -> Parts:
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
    training, geometry = (
        of(job.architecture.input) for of in (training_geometry, evaluation_geometry)
    )

    def build(geometry: Geometry, shared: keras.Model | None = None) -> keras.Model:
        with placement.strategy.scope():
            return models.build(
                at_size(job.architecture, geometry),
                dtype=placement.precision,
                seed=seed,
                device=placement.device_kind,
                sync_norm=placement.sync_norm,
                shared=shared,
            )

    with placement.strategy.scope():
        model = build(training)
        # Another network on its weights, where a spec trains and evaluates at two sizes.
        same = geometry.shape == training.shape
        judged = model if same else build(geometry, model)
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
    judge = Judge(job, placement, loop, model, geometry)
    sizes = Sizes(job.architecture, recipe, model, lambda size: build(size, model))
    return Parts(model, loop, judge, frozen, sizes)
