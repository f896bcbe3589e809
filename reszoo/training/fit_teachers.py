"""Fitting teachers to their student: classes by name, channels, and the size of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from reszoo.counted import first_few
from reszoo.data import ImageData
from reszoo.data.dataset import nfc, numbered_classes
from reszoo.data.images.batch_resizing import resize_batch
from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.fit_to_data import colours_of
from reszoo.training.loop.distillation import Answers
from reszoo.training.teachers import Teacher

_MAX_NAMED = 5


def answers(teacher: Teacher, data: ImageData) -> Answers:
    """Returns the function from a student's images to a teacher's logits of the data's classes.

    Images are resized as a whole, without the teacher's own crop.
    """
    positions = class_positions(teacher, data)
    view = replace(teacher.network.image_format, crop=1.0)

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.gather(teacher.network(resize_batch(images, view)), positions, axis=-1)

    return logits


def require_teachable(
    teachers: Sequence[Teacher], architecture: Architecture, recipe: Recipe, data: ImageData
) -> None:
    """Refuses teachers that do not fit the student's images and classes.

    Raises:
      UserError: classes, channels or 16-bit ranges differ, or the loss has no softmax.
    """
    if teachers and recipe.loss.kind != "cross_entropy":
        raise UserError(
            "distillation needs a softmax, which this loss does not have",
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
                f"the teacher {teacher.name} has another number of classes than {data.name}",
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
            expected=f"a teacher of the classes {first_few(data.classes, _MAX_NAMED)}",
            found=f"{first_few(names, _MAX_NAMED)}, and no {first_few(missing, _MAX_NAMED)}",
            hint="train the teacher on these data, too, or rename the classes",
        )
    return np.array([positions[nfc(name)] for name in data.classes])


def _require_same_input(teacher: Teacher, architecture: Architecture, data: ImageData) -> None:
    channels, own = architecture.input.shape[-1], teacher.network.image_format
    if own.channels != channels:
        takes, sees = colours_of(own.channels), colours_of(channels)
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
