"""Fitting teachers to their student: classes by name, channels, and the size of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from reszoo.data import ImageData
from reszoo.data.dataset import nfc, numbered_classes
from reszoo.data.images.batch_resizing import resize_batch
from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.loop.distillation import Answers
from reszoo.training.teachers import Teacher

_MAX_NAMED = 5
_COLOURS = {1: "grey", 3: "colour"}


def answers(teacher: Teacher, data: ImageData) -> Answers:
    """Returns the function from a student's images to a teacher's logits of the data's classes.

    The whole view of the student is resized: nothing of it is cropped away.
    """
    positions = class_positions(teacher, data)
    view = replace(teacher.network.image_format, crop=1.0)

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.gather(teacher.network(resize_batch(images, view)), positions, axis=-1)

    return logits


def require_teachable(
    teachers: Sequence[Teacher], architecture: Architecture, recipe: Recipe, data: ImageData
) -> None:
    """Refuses teachers that cannot answer for the student's images and classes.

    Raises:
      UserError: other classes, channels or 16-bit values, or a loss without a softmax.
    """
    if teachers and recipe.loss.kind != "cross_entropy":
        raise UserError(
            "a teacher teaches beside a softmax, which this loss has not",
            where=recipe.where("loss"),
            expected="loss cross_entropy",
            found=recipe.loss.kind,
            hint="--set-recipe loss=cross_entropy, or leave out the teacher",
        )
    for teacher in teachers:
        _require_same_input(teacher, architecture, data)
        class_positions(teacher, data)


def class_positions(teacher: Teacher, data: ImageData) -> np.ndarray:
    """Returns the position among a teacher's logits of each class of the data, by name.

    Names are compared as in evaluation: in Unicode's NFC, and numbers match any names.

    Raises:
      UserError: the teacher lacks classes of the data.
    """
    outputs, count = teacher.network.outputs, len(data.classes)
    names = teacher.network.classes or numbered_classes(outputs)
    if numbered_classes(outputs) == names or numbered_classes(count) == data.classes:
        if outputs != count:
            raise UserError(
                f"the teacher {teacher.name} has other classes than {data.name}",
                expected=f"{count} classes",
                found=f"{outputs}",
                hint="train the teacher on these data, too",
            )
        return np.arange(count)
    positions = {nfc(name): position for position, name in enumerate(names)}
    if missing := [name for name in data.classes if nfc(name) not in positions]:
        raise UserError(
            f"the teacher {teacher.name} does not know {len(missing)} of the {count} classes of "
            f"{data.name}",
            expected=f"a teacher of the classes {_shorten(data.classes)}",
            found=f"{_shorten(names)}, and no {_shorten(missing)}",
            hint="train the teacher on these data, too, or rename the classes",
        )
    return np.array([positions[nfc(name)] for name in data.classes])


def _require_same_input(teacher: Teacher, architecture: Architecture, data: ImageData) -> None:
    channels, own = architecture.input.shape[-1], teacher.network.image_format
    if own.channels != channels:
        takes, sees = (
            _COLOURS.get(count, f"{count}-channel") for count in (own.channels, channels)
        )
        raise UserError(
            f"the teacher {teacher.name} takes {takes} images and the student sees {sees} ones",
            expected=f"a teacher whose input.shape ends with {channels}",
            found=f"{list(own.shape)}",
            hint="train the teacher on these data, too",
        )
    if data.value_range is not None and own.sixteen_bit != architecture.input.sixteen_bit:
        raise UserError(
            f"the teacher {teacher.name} reads 16-bit images in another range",
            expected=f"input.sixteen_bit {architecture.input.sixteen_bit}",
            found=str(own.sixteen_bit),
            hint="train the student with the teacher's: --set input.sixteen_bit=...",
        )


def _shorten(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + rest
