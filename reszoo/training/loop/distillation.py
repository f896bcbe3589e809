"""Distillation: a student learns the outputs of teachers beside the labels (Hinton 2015).

Teachers and student see the same augmented images. Beyer 2022 found that this and a long schedule
matter most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from reszoo.spec.optimizer import Distill

Answers = Callable[[tf.Tensor], tf.Tensor]
"""From a batch of the student's images, 0..255, to logits of the student's classes, float32."""


class Distillation:
    """The losses of a student that has teachers.

    Args:
      teachers: the answers of each teacher.
      options: the recipe's.
    """

    def __init__(self, teachers: Sequence[Answers], options: Distill) -> None:
        self._teachers = teachers
        self._options = options
        self._difference = {"kl": divergence, "logits": logits_difference}[options.loss]

    def losses(self, own: tf.Tensor, images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Returns losses `(batch,)`: the weighted sum of the recipe's `own` and the teachers'."""
        answers = tf.stack([teacher(images) for teacher in self._teachers])
        answers = tf.stop_gradient(tf.cast(answers, logits.dtype))
        weight = self._options.weight
        difference = self._difference(answers, logits, self._options.temperature)
        return (1 - weight) * own + weight * difference


def divergence(answers: tf.Tensor, logits: tf.Tensor, temperature: float) -> tf.Tensor:
    """Returns T^2 KL(teacher || student) at the temperature T for each example, `(batch,)`.

    The teachers' probabilities are averaged. The square keeps the size of gradients at any T.

    Args:
      answers: logits of the teachers, (teachers, batch, classes).
      logits: those of the student, (batch, classes).
      temperature: divides all logits.
    """
    shares = tf.reduce_mean(tf.nn.softmax(answers / temperature), axis=0)
    crossed = tf.nn.softmax_cross_entropy_with_logits(shares, logits / temperature)
    entropy = -tf.reduce_sum(tf.math.xlogy(shares, shares), axis=-1)
    return temperature**2 * (crossed - entropy)


def logits_difference(answers: tf.Tensor, logits: tf.Tensor, temperature: float) -> tf.Tensor:
    """Returns the mean squared difference of centred logits (Ba 2014), `(batch,)`.

    The teachers' centred logits are averaged; a softmax does not see the mean that is taken away.
    Arguments are those of `divergence`; the temperature has no effect.
    """
    del temperature
    taught = tf.reduce_mean(_centred(answers), axis=0)
    return tf.reduce_mean(tf.math.squared_difference(taught, _centred(logits)), axis=-1)


def _centred(logits: tf.Tensor) -> tf.Tensor:
    return logits - tf.reduce_mean(logits, axis=-1, keepdims=True)
