"""The assembly of a training: everything that is built before a run folder exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from reszoo.data import ImageFormat
from reszoo.data.images.resizing import evaluation_format, training_format
from reszoo.model.build import build
from reszoo.spec.optimizer import Distill
from reszoo.training.callbacks import Callbacks, compile_for_callbacks
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.fit_teachers import answers
from reszoo.training.freezing import Freezing, freezing, param_groups
from reszoo.training.initial_weights import InitialWeights
from reszoo.training.job import TrainingJob, trained_plan
from reszoo.training.loop.distillation import Distillation
from reszoo.training.loop.loop import Loop
from reszoo.training.loop.losses import example_losses
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.optimizers.schedules import keras_rate, rate_callbacks
from reszoo.training.progressive_resizing import ProgressiveResizing
from reszoo.training.validation import Validator


@dataclass(frozen=True, slots=True)
class Assembly:
    """A model with its optimizer, and everything that trains and validates it."""

    model: keras.Model
    loop: Loop
    validator: Validator
    freezing: Freezing
    resizing: ProgressiveResizing
    callbacks: Callbacks


def assemble(
    job: TrainingJob,
    setup: DeviceSetup,
    *,
    callbacks: Sequence[Any] = (),
    initial_weights: InitialWeights | None = None,
) -> Assembly:
    """Builds the model, its optimizer and its loop under the setup's strategy.

    Raises:
      UserError: the network cannot be built, the weights do not fit it, or a callback does not
        work with the recipe.
    """
    recipe = job.recipe
    train_format = training_format(job.architecture.input)
    val_format = evaluation_format(job.architecture.input)

    def build_at(image_format: ImageFormat, shared: keras.Model | None = None) -> keras.Model:
        with setup.strategy.scope():
            return build(
                trained_plan(job.architecture, recipe, image_format),
                dtype=setup.precision,
                seed=job.seed,
                # Nothing to fuse: a fake-quantized plan has no norms, and rounds every ReLU.
                device=None if recipe.quantize else setup.device_kind,
                sync_norm=setup.sync_norm,
                shared=shared,
            )

    with setup.strategy.scope():
        model = build_at(train_format)
        # A second network on the same variables, where a spec trains and evaluates at two sizes.
        same_size = val_format.shape == train_format.shape
        val_model = model if same_size else build_at(val_format, model)
        if initial_weights is not None:
            initial_weights.copy_to(model, initial_weights.new_layers(job.data))
        frozen = freezing(trained_plan(job.architecture, recipe), recipe)
        variables, groups = param_groups(model, frozen, recipe, job.steps)
        rate = keras_rate(recipe.schedule, job.steps * recipe.epochs)
        optimizer = make_optimizer(recipe.optimizer, rate, ema=recipe.ema)
        compile_for_callbacks(model, optimizer)
    loop = Loop(
        model,
        optimizer,
        recipe.optimizer,
        batch=job.batch,
        strategy=setup.strategy,
        losses=example_losses(recipe, job.class_weights),
        distillation=_distillation(job),
        val_model=val_model,
        variables=variables,
        param_groups=groups,
        accumulate=setup.accumulate,
        xla=setup.xla,
        steps_per_execution=setup.steps_per_execution,
    )
    return Assembly(
        model,
        loop,
        Validator(job, setup, loop, val_format),
        frozen,
        ProgressiveResizing(job.architecture, recipe, model, lambda size: build_at(size, model)),
        Callbacks(
            [*rate_callbacks(recipe.schedule), *callbacks],
            model,
            ema=recipe.ema is not None,
            rate_is_free=recipe.schedule.is_free,
            writes=setup.is_chief,
        ),
    )


def _distillation(job: TrainingJob) -> Distillation | None:
    """Returns what the job's teachers add to its losses, if it has any."""
    if not job.teachers:
        return None
    teachers = [answers(teacher, job.data) for teacher in job.teachers]
    return Distillation(teachers, job.recipe.distill or Distill())
