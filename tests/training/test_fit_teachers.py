"""Teachers answer for the classes and the images of their student, or are refused."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.errors import UserError
from reszoo.inference.frozen_network import FrozenNetwork
from reszoo.spec.optimizer import Loss
from reszoo.training.fit_teachers import answers, class_positions, require_teachable
from reszoo.training.teacher_record import TeacherRecord
from reszoo.training.teachers import Teacher
from tests.training.samples import SHORT, TINY

RECORD = TeacherRecord(None, "hash")
NAMES = ("cat", "dog", "owl")


def teacher(classes, outputs=None, shape=(8, 8, 1), **values):
    """A teacher whose logits are 0, 1, 2, ... whatever it sees."""
    outputs = outputs or len(classes)

    def graph(images):
        return tf.ones((len(images), 1)) * tf.range(outputs, dtype=tf.float32)

    network = FrozenNetwork(ImageFormat(*shape, **values), classes, outputs, graph)
    return Teacher(network, RECORD)


def data(classes=NAMES, value_range=None):
    return SimpleNamespace(classes=classes, name="folder:pets", value_range=value_range)


@pytest.mark.parametrize(
    ("teachers", "students", "positions"),
    [
        (NAMES, NAMES, [0, 1, 2]),
        (("owl", "cat", "dog"), NAMES, [1, 2, 0]),
        (("ant", "owl", "bee", "cat", "dog"), NAMES, [3, 4, 1]),
        (("cafe\N{COMBINING ACUTE ACCENT}", "tea"), ("tea", "caf\xe9"), [1, 0]),
        (None, NAMES, [0, 1, 2]),
        (("0", "1", "2"), NAMES, [0, 1, 2]),
        (NAMES, ("0", "1", "2"), [0, 1, 2]),
    ],
    ids=["equal", "other order", "more classes", "unicode", "unknown", "numbers", "numbered data"],
)
def test_classes_are_found_by_name(teachers, students, positions):
    taught = teacher(teachers, outputs=None if teachers else 3)
    found = answers(taught, data(students))(tf.zeros((2, 8, 8, 1)))
    np.testing.assert_array_equal(found, [positions, positions])


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        (("cat", "fox", "dog", "emu"), "does not know 1 of the 3 classes of folder:pets"),
        (("cat", "fox", "dog", "emu"), "found:    cat, fox, dog, emu, and no owl"),
        (tuple("0123"), "has another number of classes than folder:pets"),
    ],
)
def test_missing_classes_are_named(teachers, message):
    with pytest.raises(UserError, match=message):
        class_positions(teacher(teachers), data())


def test_a_teacher_sees_the_whole_view_in_its_own_size():
    """A teacher that crops when it evaluates does not crop what the student sees."""
    seen = []

    def graph(images):
        seen.append(images)
        return tf.zeros((1, 3))

    network = FrozenNetwork(ImageFormat(4, 4, 1, crop=0.5), NAMES, 3, graph)
    image = np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2)))[None, ..., None]
    answers(Teacher(network, RECORD), data())(tf.constant(image, tf.uint8))
    (resized,) = seen
    assert resized.dtype == tf.float32
    expected = np.arange(16).reshape(1, 4, 4, 1)  # the corners of the view are there
    assert np.abs(resized - expected).max() <= 1


def check(taught, recipe=SHORT, value_range=None):
    require_teachable([taught], TINY, recipe, data(value_range=value_range))


def test_other_channels_are_refused():
    with pytest.raises(UserError, match="takes colour images and the student sees grey ones"):
        check(teacher(NAMES, shape=(8, 8, 3)))
    with pytest.raises(UserError, match="takes 4-channel images"):
        check(teacher(NAMES, shape=(8, 8, 4)))


def test_another_range_of_16_bit_images_is_refused():
    check(teacher(NAMES, sixteen_bit=(0, 4095)))  # images of 8 bits do not need it
    with pytest.raises(UserError, match="reads 16-bit images in another range"):
        check(teacher(NAMES, sixteen_bit=(0, 4095)), value_range=(0, 4095))


def test_a_loss_without_a_softmax_is_refused():
    recipe = SHORT.model_copy(update={"loss": Loss(kind="binary_cross_entropy")})
    with pytest.raises(UserError, match="distillation needs a softmax"):
        check(teacher(NAMES), recipe)
