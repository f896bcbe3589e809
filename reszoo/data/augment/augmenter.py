"""What training does to a batch of images before the network sees it.

Each draw is a pure function of (seed, epoch, index, repeat); see `draws.py`. What happens to an
image while it is decoded (a random part of it) is in `boxes.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from reszoo.data.augment import auto_augment, geometric, image_ops, mixup, random_erasing
from reszoo.data.seeded_random import (
    SPATIAL,
    CUTOUT_X,
    CUTOUT_Y,
    RANDOM_ERASING,
    COLOR_JITTER,
    LIGHTING,
    AFFINE,
    Draws,
)
from reszoo.errors import UserError
from reszoo.spec.augmentation import Augmentation


class Augmenter:
    """Changes the batches of one epoch.

    Args:
      augmentation: what a recipe asks for.
      draws: of the epoch.
      fill: the pixel for what lies outside an image or is hidden: one value or one per channel.
    """

    def __init__(
        self, augmentation: Augmentation, draws: Draws, fill: Sequence[float] = (0.0,)
    ) -> None:
        self._augmentation = augmentation
        self._draws = draws
        self._fill = tuple(fill)

    @property
    def idle(self) -> bool:
        """Whether images that have been flipped stay as they are."""
        asked = self._augmentation
        hides = bool(asked.cutout) or asked.erasing is not None
        return not (geometric.moves(asked) or geometric.turns(asked) or self._recolours or hides)

    def images(
        self,
        images: np.ndarray,
        keys: np.ndarray,
        rows: np.ndarray | None = None,
        *,
        flipped: bool = False,
    ) -> np.ndarray:
        """Changed images, in memory of their own.

        Args:
          images: uint8, shape (images, height, width, channels).
          keys: of the examples of the result.
          rows: where they stand in `images`; all, in order, unless given.
          flipped: whether flips are done already.
        """
        asked = self._augmentation
        changed = self._moved(images, keys, rows, flipped)
        if geometric.turns(asked):
            changed = geometric.turned(changed, asked, self._draws(keys, AFFINE))
        if self._paints:
            self._paint(changed, keys)
        if asked.lighting:
            changed = image_ops.light(changed, asked.lighting, self._draws(keys, LIGHTING))
        if asked.cutout:
            where = self._draws(keys, SPATIAL)[:, [CUTOUT_Y, CUTOUT_X]]
            random_erasing.cut_out(changed, asked.cutout, where, self._fill)
        if asked.erasing is not None:
            random_erasing.erase(
                changed, asked.erasing, self._draws(keys, RANDOM_ERASING), self._fill
            )
        return changed

    def mixed(
        self, images: np.ndarray, labels: np.ndarray, keys: np.ndarray, classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images and soft labels (float32, shape (labels, classes)), mixed in pairs."""
        soft = mixup.one_hot(labels, classes)
        return mixup.mix(images, soft, self._augmentation, self._draws, keys)

    def _moved(
        self, images: np.ndarray, keys: np.ndarray, rows: np.ndarray | None, flipped: bool
    ) -> np.ndarray:
        asked = self._augmentation
        if not geometric.moves(asked) and (flipped or not asked.flip):
            return np.array(images) if rows is None else images[rows]
        flips = np.zeros(len(keys), bool)
        if not flipped:
            flips = geometric.mirrored(asked, self._draws, keys)
        return geometric.moved(images, asked, self._draws(keys, SPATIAL), flips, self._fill, rows)

    @property
    def _paints(self) -> bool:
        asked = self._augmentation
        return asked.trivial_augment or asked.randaugment is not None or asked.jitter is not None

    @property
    def _recolours(self) -> bool:
        return self._paints or self._augmentation.lighting > 0

    def _paint(self, images: np.ndarray, keys: np.ndarray) -> None:
        """Does what the policy and the colour jitter say to each image, in place."""
        fill = tuple(geometric.colour(self._fill, images.shape[-1]).tolist())
        grey = images.shape[-1] == 1
        for place, steps in enumerate(self._steps(keys, images.shape[1:3])):
            if not steps:
                continue
            image = Image.fromarray(images[place, ..., 0] if grey else images[place])
            for name, strength in steps:
                image = image_ops.OPERATIONS[name](image, strength, fill[0] if grey else fill)
            images[place] = np.asarray(image).reshape(images.shape[1:])

    def _steps(self, keys: np.ndarray, size: tuple[int, int]) -> list[list[auto_augment.Step]]:
        """The operations on each image, with their strengths."""
        asked = self._augmentation
        steps: list[list[auto_augment.Step]] = [[] for _ in keys]
        if asked.randaugment is not None:
            draws = self._draws(keys, auto_augment.auto_augment_columns(asked.randaugment.layers))
            for own, row in zip(steps, draws, strict=True):
                own += auto_augment.randaugment_steps(asked.randaugment, row, size)
        if asked.trivial_augment:
            for own, row in zip(
                steps, self._draws(keys, auto_augment.auto_augment_columns(1)), strict=True
            ):
                own += auto_augment.trivial_augment_steps(row, size)
        if asked.jitter is not None:
            for own, row in zip(steps, self._draws(keys, COLOR_JITTER), strict=True):
                own += image_ops.color_jitter_steps(asked.jitter, row)
        return steps


def require_supported_channels(augmentation: Augmentation, channels: int) -> None:
    """Raises a `UserError` where a recipe asks for what images of so many channels cannot get."""
    asked = {
        "rotation": augmentation.rotation,
        "translation": augmentation.translation,
        "randaugment": augmentation.randaugment,
        "trivial_augment": augmentation.trivial_augment,
        "jitter": augmentation.jitter,
        "lighting": augmentation.lighting,
    }
    wanted = [name for name, value in asked.items() if value]
    if wanted and channels not in (1, 3):
        raise UserError(
            f"images of {channels} channels cannot get {' and '.join(wanted)}",
            where=f"augmentation.{wanted[0]}",
            expected="grey or RGB images",
            found=f"{channels} channels",
            hint="take these lines out of the recipe",
        )
