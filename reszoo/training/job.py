"""Do the network, the recipe and the data fit each other?

All that can be wrong is found here, before a run folder exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reszoo import spec as specs
from reszoo.data import ImageData, ImageFormat
from reszoo.data.images.resizing import evaluation_format, training_format
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.inference.tta import geometries_of
from reszoo.planning.layer_groups import factors
from reszoo.planning.network import plan
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe, Validation, default_recipe_name, regularize
from reszoo.training.freezing import freezing, written_at
from reszoo.training.progressive_resizing import geometries, require_any_size

ClassWeights = Literal["balanced"] | Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training, ready to run: what trains, how, and on which images."""

    architecture: Architecture
    recipe: Recipe
    data: ImageData
    kept: Any
    """The part of the training split that trains."""
    held_out: Any
    """The part that validates, or None."""
    class_weights: tuple[float, ...] | None

    @property
    def batch(self) -> int:
        """Images per step: the recipe's, or all there are."""
        return min(self.recipe.batch, len(self.kept))

    @property
    def steps(self) -> int:
        """Steps per epoch; what does not fill a batch waits for another epoch's order."""
        return len(self.kept) // self.batch


def chosen_recipe(
    recipe: Recipe | str | Path | None,
    architecture: Architecture,
    *,
    epochs: int | None = None,
    overrides: Sequence[str] = (),
    fine_tuning: bool = False,
) -> Recipe:
    """The recipe as given, or the short one (the gentle one for trained weights) for the network's
    image size.
    """
    if isinstance(recipe, Recipe):
        recipe = specs.override(recipe, overrides)
    else:
        side = max(architecture.input.shape[:2])
        name = recipe or default_recipe_name(side, fine_tuning=fine_tuning)
        recipe = specs.load_recipe(name, overrides)
    if epochs is None:
        return recipe
    if epochs < 1:
        raise UserError("a training needs epochs", expected="1 or more", found=str(epochs))
    return recipe.model_copy(update={"epochs": epochs})


def freezing_recipe(recipe: Recipe, freeze: Sequence[str], unfreeze_at: int | None) -> Recipe:
    """The recipe with the parts and the epoch of the command line, where given."""
    changes: dict[str, Any] = {"freeze": tuple(freeze)} if freeze else {}
    if unfreeze_at is not None:
        changes["unfreeze_at"] = unfreeze_at
    return recipe.model_copy(update=changes) if changes else recipe


def prepare(
    architecture: Architecture,
    recipe: Recipe,
    data: ImageData,
    *,
    seed: int,
    classes: int | None = None,
    class_weights: ClassWeights = None,
    enlarge_small_images: bool = False,
    new_layers: Sequence[str] | None = None,
) -> TrainingJob:
    """Fits the network to the data, regularises it, and divides the training images.

    Args:
      architecture: the network.
      recipe: how it is trained.
      data: what it is trained on.
      seed: of the division.
      classes: must be the data's number of classes, when given.
      class_weights: for the loss; see `weights_of`.
      enlarge_small_images: whether images smaller than the network's input are taken.
      new_layers: the layers whose weights are not trained yet; all of them unless given.

    Raises:
      UserError: they do not fit; the message says what to do.
    """
    architecture = with_data_classes(architecture, data, classes)
    require_channels(architecture, data)
    if not enlarge_small_images:
        require_size(architecture, data, geometries(architecture, recipe))
    architecture = regularize(architecture, recipe.regularization)
    _require_parts(architecture, recipe, new_layers)
    train = data.split(data.only_split or "train")
    kept, held_out = _divide(train, recipe.validation, seed)
    return TrainingJob(
        architecture=architecture,
        recipe=recipe,
        data=data,
        kept=kept,
        held_out=held_out,
        class_weights=weights_of(class_weights, np.asarray(kept.labels), data.classes),
    )


def _require_parts(
    architecture: Architecture, recipe: Recipe, new_layers: Sequence[str] | None
) -> None:
    """Refuses a recipe that treats parts in a way that the network does not allow."""
    rows = plan(architecture)
    for field in ("rate_factors", "decay_factors"):
        factors(rows, getattr(recipe, field), where=recipe.where(field))
    if recipe.freeze and new_layers is None:
        raise UserError(
            "there are no trained weights to freeze: what is frozen would stay random",
            where=written_at(recipe, "freeze"),
            expected="weights to start from, with --weights or --from",
            found=f"freeze {', '.join(recipe.freeze)}, and fresh weights",
        )
    freezing(rows, recipe, new_layers=new_layers or ())
    require_any_size(architecture, recipe)
    if recipe.test_time is not None:
        where = recipe.where("test_time")
        geometries_of(recipe.test_time, evaluation_format(architecture.input), where)


def with_data_classes(
    architecture: Architecture, data: ImageData, classes: int | None = None
) -> Architecture:
    """The architecture with the data's number of classes; another one, asked for, is an error."""
    count = len(data.classes)
    if count < 2:
        raise UserError(
            f"the data {data.name} has one class: there is nothing to tell apart",
            expected="two classes or more",
            found=", ".join(data.classes) or "none",
        )
    overridden = architecture.is_overridden("classes")
    if classes is None and overridden:
        classes = architecture.classes
    if classes is not None and classes != count:
        raise UserError(
            f"{classes} classes were asked for, and the data {data.name} has {count}",
            where=architecture.where("classes") if overridden else None,
            expected=str(count),
            found=str(classes),
            hint="leave the number out: it is taken from the data",
        )
    return architecture.model_copy(update={"classes": count})


def require_channels(architecture: Architecture, data: ImageData) -> None:
    """Refuses a network whose channels are not the data's; they never change silently."""
    height, width, channels = architecture.input.shape
    if channels != data.channels:
        words = {1: "grey", 3: "colour"}
        taken, held = (words.get(one, f"{one}-channel") for one in (channels, data.channels))
        raise UserError(
            f"{architecture.name} takes {taken} images and {data.name} holds {held} ones",
            where=architecture.where("input", "shape"),
            expected=f"{data.channels} channels",
            found=f"input.shape {list(architecture.input.shape)}",
            hint=f"--set input.shape=[{height},{width},{data.channels}] (and the mean and std of "
            "as many channels), or another network",
        )


def require_size(
    architecture: Architecture, data: ImageData, sizes: Sequence[ImageFormat] = ()
) -> None:
    """Refuses images that would have to be enlarged: what is not in them cannot be learned.

    Args:
      architecture: the network.
      data: its images.
      sizes: the sizes it trains on; its own unless given.
    """
    if data.smallest is None:
        return
    own = training_format(architecture.input)
    image_format = max(sizes or (own,), key=lambda size: size.height * size.width)
    height, width = data.smallest
    if height < image_format.height or width < image_format.width:
        side = min(height, width)
        raise UserError(
            f"images of {data.name} are smaller than {architecture.name} needs",
            where=architecture.where("input", "shape"),
            expected=f"{image_format.height}x{image_format.width} pixels or more",
            found=f"down to {height} pixels high, {width} wide",
            hint=f"--set input.shape=[{side},{side},{image_format.channels}], a network for "
            "smaller images, or --enlarge-small-images",
        )


def weights_of(
    class_weights: ClassWeights, labels: np.ndarray, classes: Sequence[str]
) -> tuple[float, ...] | None:
    """The factor of each class in the loss.

    `balanced` gives a class of n among N examples of k classes N / (k n), so that all classes
    weigh the same and an example weighs 1 on average (scikit-learn's arithmetic).
    """
    if class_weights is None:
        return None
    if class_weights == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
            raise UserError(
                "classes without training images cannot be balanced", found=", ".join(empty)
            )
        return tuple(float(len(labels) / (len(classes) * count)) for count in counts)
    if isinstance(class_weights, str):
        raise UserError(
            "unknown class weights", expected="balanced, or a number per class", found=class_weights
        )
    if set(class_weights) != set(classes):
        raise UserError(
            "class weights name other classes than the data",
            expected=", ".join(classes),
            found=", ".join(class_weights),
        )
    return tuple(float(class_weights[name]) for name in classes)


def _divide(train: Any, validation: Validation, seed: int) -> tuple[Any, Any]:
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
