"""The training job: a network, a recipe and data that fit each other.

They are checked against each other here, before a run folder exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reszoo import spec as specs
from reszoo.counted import first_few
from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.images.resizing import evaluation_format
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.inference.evaluation_data import reopen_data
from reszoo.inference.trained import at_size
from reszoo.inference.tta import tta_formats
from reszoo.planning import Plan
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.layer_groups import group_factors
from reszoo.planning.network import plan
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import QUANTIZE_RECIPE, Recipe, Validation, default_recipe_name
from reszoo.training.fit_teachers import require_teachable
from reszoo.training.fit_to_data import class_factors, require_channels
from reszoo.training.freezing import freezing, option_or_place
from reszoo.training.options import ClassWeights
from reszoo.training.progressive_resizing import require_any_size
from reszoo.training.teachers import Teacher

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training, ready to run: which network, how, and on which images."""

    architecture: Architecture
    """As it is trained: regularised, with the data's classes."""
    recipe: Recipe
    data: ImageData
    train_split: Split
    """The images that train."""
    val_split: Split | None
    """The images held out for validation, or None."""
    class_weights: tuple[float, ...] | None
    """The factor of each class in the loss, or None."""
    seed: int
    """Of weights, data order, augmentation and held-out images."""
    teachers: tuple[Teacher, ...] = ()
    """The networks whose answers it learns."""
    parts: int = 1
    """Parts that a batch is divided into: by replicas, and by accumulation."""

    @property
    def batch(self) -> int:
        """Images per step: the recipe's batch; of fewer images, all that divide into parts."""
        images = len(self.train_split)
        if images >= self.recipe.batch:
            return self.recipe.batch
        return max(images - images % self.parts, min(images, self.parts))

    @property
    def steps(self) -> int:
        """Steps per epoch; the images that do not fill a batch are left out of that epoch."""
        return len(self.train_split) // self.batch

    @property
    def labels_sha256(self) -> str:
        """The SHA-256 of the training labels, by which a run recognises its data."""
        labels = np.ascontiguousarray(self.train_split.labels, dtype=np.int32)
        return hashlib.sha256(labels.tobytes()).hexdigest()


def choose_recipe(
    recipe: Recipe | str | Path | None,
    architecture: Architecture,
    *,
    epochs: int | None = None,
    overrides: Sequence[str] = (),
    images: int | None = None,
    fine_tuning: bool = False,
    freeze: Sequence[str] = (),
    unfreeze_at: int | None = None,
    quantize: Literal["int8"] | None = None,
) -> Recipe:
    """Returns the recipe with what the command line changed.

    Args:
      recipe: a recipe, its name or its file. Defaults to `default_recipe_name`.
      architecture: the network.
      epochs: replaces the recipe's.
      overrides: changed fields, such as `schedule.peak=0.05`.
      images: number of training images, if known.
      fine_tuning: whether the training starts from trained weights.
      freeze: replaces the recipe's frozen layer groups, unless empty.
      unfreeze_at: replaces the recipe's epoch.
      quantize: replaces the recipe's. Without a recipe, the shipped recipe `quantize` is used.

    Raises:
      UserError: there is no such recipe, or a value is invalid.
    """
    if quantize is not None and recipe is None:
        recipe = QUANTIZE_RECIPE
    elif quantize is not None:
        overrides = (*overrides, f"quantize={quantize}")
    if isinstance(recipe, Recipe):
        recipe = specs.override(recipe, overrides)
    else:
        size = architecture.input.shape[:2]
        name = recipe or default_recipe_name(
            *size,
            images=images,
            fine_tuning=fine_tuning,
            normalized=architecture.has_normalized_blocks,
        )
        recipe = specs.load_recipe(name, overrides)
    if epochs is not None and epochs < 1:
        raise UserError(
            "a training needs epochs", expected="1 or more", found=str(epochs), hint="--epochs 1"
        )
    changes = {
        "epochs": epochs,
        "freeze": tuple(freeze) or None,
        "unfreeze_at": unfreeze_at,
        "precision": "float32" if recipe.quantize else None,
    }
    return recipe.model_copy(
        update={field: value for field, value in changes.items() if value is not None}
    )


def last_epoch(epochs: int | None, recipe: Recipe) -> int:
    """Returns the epoch after which a training stops: the recipe's last one, unless given.

    Raises:
      UserError: the recipe's schedule is not that long.
    """
    if epochs is None:
        return recipe.epochs
    if not 1 <= epochs <= recipe.epochs:
        raise UserError(
            "a training cannot end there",
            expected=f"1 to {recipe.epochs} epochs, as long as the schedule is",
            found=str(epochs),
            hint=f"--epochs {recipe.epochs}; for more, train a new run with --from this one",
        )
    return epochs


def trained_plan(
    architecture: Architecture, recipe: Recipe, image_format: ImageFormat | None = None
) -> Plan:
    """Returns the plan that a recipe trains: the canonical or the fake-quantized one.

    `image_format` gives the size of the images. Defaults to the architecture's.

    Raises:
      UserError: the recipe quantizes, and TFLite has no int8 operator for a layer.
    """
    rows = plan(at_size(architecture, image_format) if image_format else architecture)
    return fake_quantize(rows) if recipe.quantize else rows


def prepare(
    architecture: Architecture,
    recipe: Recipe,
    data: ImageData,
    *,
    seed: int,
    class_weights: ClassWeights = None,
    new_layers: Sequence[str] | None = None,
    teachers: Sequence[Teacher] = (),
    parts: int = 1,
) -> TrainingJob:
    """Checks the recipe against the network and its teachers, and divides the training images.

    The network comes from `fit_to_data`; `new_layers` have no trained weights (None: no layer has).

    Raises:
      UserError: they do not fit each other; the message says what to do.
    """
    _check_recipe(architecture, recipe, new_layers)
    require_teachable(teachers, architecture, recipe, data)
    train_split, val_split = _hold_out(
        data.split(data.only_split or "train"), recipe.validation, seed
    )
    labels = np.asarray(train_split.labels)
    return TrainingJob(
        architecture=architecture,
        recipe=recipe,
        data=data,
        train_split=train_split,
        val_split=val_split,
        class_weights=class_factors(class_weights, labels, data.classes),
        seed=seed,
        teachers=tuple(teachers),
        parts=parts,
    )


def job_of_run(
    run: Run,
    recipe: Recipe,
    data: Any = None,
    *,
    teachers: Sequence[Teacher] = (),
    parts: int = 1,
) -> TrainingJob:
    """Returns the job of an existing run, whose architecture is regularised already."""
    facts, architecture = run.data(), run.architecture()
    images = reopen_data(run, data)
    _require_same_images(run, images)
    require_channels(architecture, images)
    factors = facts["class_weights"]
    job = prepare(
        architecture,
        recipe,
        images,
        seed=run.seed,
        class_weights=None if factors is None else dict(zip(images.classes, factors, strict=True)),
        new_layers=() if "start" in run.info else None,
        teachers=teachers,
        parts=parts,
    )
    if job.labels_sha256 != facts["training_labels_sha256"]:
        raise UserError(
            f"the training images of {images.name} have changed since the run began",
            expected=f"the same {len(job.train_split):,} labels in the same order",
            hint="restore the data, or train a new run on the present data",
        )
    return job


def _require_same_images(run: Run, images: ImageData) -> None:
    """Refuses images that are not those that the run began with; runs of version 0.1 name none."""
    if images.fingerprint is None or not (records := run.data_files()):
        return
    if changed := images.fingerprint.changed(records):
        again = (
            f"with `reszoo train --from {run.path}`"
            if run.model_path.is_file()
            else "with the command in run.json and another -o"
        )
        raise UserError(
            f"{len(changed):,} of {len(records):,} images of {images.name} have changed since "
            f"{run.path} began",
            expected="the same contents under the same names",
            found=first_few(changed, _MAX_NAMED),
            hint=f"restore these images, or train a new run on the present data {again}",
        )


def _check_recipe(
    architecture: Architecture, recipe: Recipe, new_layers: Sequence[str] | None
) -> None:
    """Refuses a recipe that treats layer groups in a way that the network does not allow."""
    network = trained_plan(architecture, recipe)
    for field in ("rate_factors", "decay_factors"):
        group_factors(network, getattr(recipe, field), where=recipe.where(field))
    if recipe.freeze and new_layers is None:
        raise UserError(
            "there are no trained weights to freeze: frozen layers would stay random",
            where=option_or_place(recipe, "freeze"),
            expected="weights to start from, with --weights or --from",
            found=f"freeze {', '.join(recipe.freeze)}, and fresh weights",
            hint="name weights with --weights or --from, or remove `freeze`",
        )
    freezing(network, recipe, new_layers=new_layers or ())
    require_any_size(architecture, recipe)
    if recipe.test_time is not None:
        image_format = evaluation_format(architecture.input)
        tta_formats(recipe.test_time, image_format, recipe.where("test_time"))


def _hold_out(train: Split, validation: Validation, seed: int) -> tuple[Split, Split | None]:
    """Divides a split into the images that train and those that validate."""
    if validation.fraction == 0:
        return train, None
    kept, held_out = stratified_holdout(np.asarray(train.labels), validation.fraction, seed)
    if not len(held_out):
        raise UserError(
            "too few training images to hold any out for validation",
            expected="more images, or another validation.fraction in the recipe",
            found=f"{len(train)} images, a fraction of {validation.fraction}",
            hint="--set-recipe validation.fraction=0 trains on all of them",
        )
    return train.subset(kept), train.subset(held_out)
