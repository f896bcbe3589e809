"""The losses of teachers equal their formulas, computed in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from reszoo.spec.optimizer import Distill
from reszoo.training.loop.distillation import Distillation

RANDOM = np.random.default_rng(5)
STUDENT = RANDOM.normal(size=(4, 6)) * 3
TEACHERS = RANDOM.normal(size=(2, 4, 6)) * 4
OWN = RANDOM.uniform(size=4)


def probabilities(logits):
    powers = np.exp(logits)
    return powers / powers.sum(-1, keepdims=True)


def divergence(teachers, temperature):
    shares = probabilities(teachers / temperature).mean(0)
    student = probabilities(STUDENT / temperature)
    return temperature**2 * (shares * np.log(shares / student)).sum(-1)


def logits_difference(teachers, temperature):
    teacher, student = teachers.mean(0), STUDENT
    centred = (teacher - teacher.mean(-1)[:, None]) - (student - student.mean(-1)[:, None])
    return (centred**2).mean(-1)


@pytest.mark.parametrize("count", [1, 2], ids=["one teacher", "two teachers"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "formula"), [("kl", divergence), ("logits", logits_difference)], ids=["kl", "logits"]
)
@pytest.mark.parametrize(("weight", "temperature"), [(0.9, 4.0), (0.3, 1.0), (0.0, 2.0)])
def test_losses_are_their_formulas(count, dtype, loss, formula, weight, temperature):
    teachers = [lambda images, answer=answer: tf.constant(answer) for answer in TEACHERS[:count]]
    options = Distill(weight=weight, temperature=temperature, loss=loss)
    own, logits = tf.constant(OWN, dtype), tf.constant(STUDENT, dtype)
    losses = Distillation(teachers, options).losses(own, tf.zeros(4), logits)
    expected = (1 - weight) * OWN + weight * formula(TEACHERS[:count], temperature)
    assert losses.dtype == dtype
    np.testing.assert_allclose(losses, expected, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_a_class_without_probability_adds_nothing():
    answer = tf.constant([[1000.0, 0.0, -1000.0]])
    logits = tf.Variable([[3.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = Distillation([lambda images: answer], Distill(temperature=1.0, weight=1.0)).losses(
            tf.zeros(1), tf.zeros(1), logits
        )
    gradient = tape.gradient(loss, logits).numpy()
    student = probabilities(np.array([[3.0, 0.0, 0.0]]))
    np.testing.assert_allclose(loss, -np.log(student[:, 0]), rtol=1e-5)
    np.testing.assert_allclose(gradient, student - [[1, 0, 0]], atol=1e-6)


def test_the_gradient_of_kl_keeps_its_size_at_any_temperature():
    """At high temperatures it is that of the centred logits (Hinton 2015, section 2.1)."""
    logits = tf.Variable(STUDENT)
    options = Distill(temperature=1000.0, weight=1.0)
    with tf.GradientTape() as tape:
        loss = Distillation([lambda images: tf.constant(TEACHERS[0])], options).losses(
            tf.zeros(4, tf.float64), tf.zeros(4), logits
        )
    teacher = TEACHERS[0] - TEACHERS[0].mean(-1, keepdims=True)
    student = STUDENT - STUDENT.mean(-1, keepdims=True)
    np.testing.assert_allclose(tape.gradient(loss, logits), (student - teacher) / 6, atol=0.005)
