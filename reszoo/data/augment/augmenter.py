"""Augmentation of batches: geometric, colour, erasing, mixup and cutmix.

Every draw is a pure function of (seed, epoch, index, repeat); see `seeded_random`. Random crops are
taken while an image is decoded; see `random_crop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reszoo.data.augment import auto_augment, geometric, image_ops
from reszoo.data.augment.mixup import mixup_or_cutmix, one_hot
from reszoo.data.augment.random_erasing import cutout, random_erasing
from reszoo.data.seeded_random import (
    AFFINE,
    COLOR_JITTER,
    CUTOUT_X,
    CUTOUT_Y,
    LIGHTING,
    RANDOM_ERASING,
    SPATIAL,
    Draws,
)
from reszoo.errors import UserError
from reszoo.spec.augmentation import Augmentation


@dataclass(frozen=True, slots=True)
class Augmenter:
    """Augments the batches of one epoch."""

    recipe: Augmentation
    draws: Draws
    fill: Sequence[float] = (0.0,)
    """The pixel outside an image and in erased parts: one value or one per channel."""

    @property
    def only_flips(self) -> bool:
        """Whether `augment` changes nothing, or does nothing but flip."""
        recipe = self.recipe
        moves = geometric.crops_or_shifts(recipe) or geometric.rotates_or_translates(recipe)
        erases = bool(recipe.cutout) or recipe.erasing is not None
        return not (moves or erases or self._applies_operations or recipe.lighting > 0)

    def augment(
        self,
        images: np.ndarray,
        keys: np.ndarray,
        rows: np.ndarray | None = None,
        *,
        flipped: bool = False,
    ) -> np.ndarray:
        """Returns the augmented images at `rows`, by default all, in their own memory.

        `images` are uint8 of shape (images, height, width, channels), `keys` those of the result.
        With `flipped`, flips are already done.
        """
        recipe = self.recipe
        augmented = self._crop_shift_flip(images, keys, rows, flipped)
        if geometric.rotates_or_translates(recipe):
            augmented = geometric.rotate_translate(augmented, recipe, self.draws(keys, AFFINE))
        if self._applies_operations:
            self._apply_operations(augmented, keys)
        if recipe.lighting:
            draws = self.draws(keys, LIGHTING)
            augmented = image_ops.pca_lighting(augmented, recipe.lighting, draws)
        if recipe.cutout:
            centres = self.draws(keys, SPATIAL)[:, [CUTOUT_Y, CUTOUT_X]]
            cutout(augmented, recipe.cutout, centres, self.fill)
        if recipe.erasing is not None:
            draws = self.draws(keys, RANDOM_ERASING)
            random_erasing(augmented, recipe.erasing, draws, self.fill)
        return augmented

    def mix(
        self, images: np.ndarray, labels: np.ndarray, keys: np.ndarray, classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mixes images in pairs; labels become float32 of shape (labels, classes)."""
        return mixup_or_cutmix(images, one_hot(labels, classes), self.recipe, self.draws, keys)

    def _crop_shift_flip(
        self, images: np.ndarray, keys: np.ndarray, rows: np.ndarray | None, flipped: bool
    ) -> np.ndarray:
        recipe = self.recipe
        if not geometric.crops_or_shifts(recipe) and (flipped or not recipe.flip):
            return np.array(images) if rows is None else images[rows]
        unflipped = np.zeros(len(keys), bool)
        flips = unflipped if flipped else geometric.flip_mask(recipe, self.draws, keys)
        draws = self.draws(keys, SPATIAL)
        return geometric.crop_shift_flip(images, recipe, draws, flips, self.fill, rows)

    @property
    def _applies_operations(self) -> bool:
        recipe = self.recipe
        return recipe.trivial_augment or recipe.randaugment is not None or recipe.jitter is not None

    def _apply_operations(self, images: np.ndarray, keys: np.ndarray) -> None:
        """Applies RandAugment, TrivialAugment and colour jitter to each image, in place."""
        fill = tuple(geometric.fill_pixel(self.fill, images.shape[-1]).tolist())
        grey = images.shape[-1] == 1
        for index, steps in enumerate(self._steps(keys, images.shape[1:3])):
            if not steps:
                continue
            image = Image.fromarray(images[index, ..., 0] if grey else images[index])
            for name, strength in steps:
                image = image_ops.OPERATIONS[name](image, strength, fill[0] if grey else fill)
            images[index] = np.asarray(image).reshape(images.shape[1:])

    def _steps(self, keys: np.ndarray, size: tuple[int, int]) -> list[list[auto_augment.Step]]:
        """Returns the operations on each image, with their strengths."""
        recipe = self.recipe
        steps: list[list[auto_augment.Step]] = [[] for _ in keys]
        if recipe.randaugment is not None:
            columns = auto_augment.auto_augment_columns(recipe.randaugment.layers)
            for own, row in zip(steps, self.draws(keys, columns), strict=True):
                own += auto_augment.randaugment_steps(recipe.randaugment, row, size)
        if recipe.trivial_augment:
            columns = auto_augment.auto_augment_columns(1)
            for own, row in zip(steps, self.draws(keys, columns), strict=True):
                own += auto_augment.trivial_augment_steps(row)
        if recipe.jitter is not None:
            for own, row in zip(steps, self.draws(keys, COLOR_JITTER), strict=True):
                own += image_ops.color_jitter_steps(recipe.jitter, row)
        return steps


def require_supported_channels(augmentation: Augmentation, channels: int) -> None:
    """Raises a `UserError` if an augmentation does not support so many channels."""
    names = ("rotation", "translation", "randaugment", "trivial_augment", "jitter", "lighting")
    unsupported = [name for name in names if getattr(augmentation, name)]
    if unsupported and channels not in (1, 3):
        raise UserError(
            f"{' and '.join(unsupported)}: not available for images of {channels} channels",
            where=f"augmentation.{unsupported[0]}",
            expected="grey or RGB images",
            found=f"{channels} channels",
            hint="remove " + " and ".join(f"`{name}`" for name in unsupported) + " from the recipe",
        )
