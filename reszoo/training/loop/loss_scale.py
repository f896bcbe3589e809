"""How does a network learn in float16, whose smallest numbers are larger than many gradients?

The loss is multiplied by a scale before the gradients are taken and they are divided by it again
(Micikevicius 2018). Where one of them is too large for float16, the step is left out and the scale
is halved; after many good steps it is doubled. Keras's LossScaleOptimizer looks only at a replica's
own gradients and would leave replicas at odds; here all of them decide together.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_INITIAL = 2.0**15
_DOUBLED_AFTER = 2000
"""Good steps in a row, as in Keras and NVIDIA's Apex."""


class LossScale:
    """The scale, and the good steps since it last changed. Made outside a strategy's scope: it is
    one number, not one per replica.
    """

    def __init__(self) -> None:
        self._scale = keras.Variable(_INITIAL, dtype="float32", trainable=False, name="scale")
        self._good = keras.Variable(0, dtype="int64", trainable=False, name="good_steps")

    @property
    def variables(self) -> list[Any]:
        """What a state holds of it."""
        return [self._scale, self._good]

    @property
    def value(self) -> tf.Tensor:
        """What the loss of the next step is multiplied by."""
        return tf.identity(self._scale.value)

    @property
    def can_fall(self) -> tf.Tensor:
        """Whether a step that failed may succeed later. At 1 it is not the scale's fault."""
        return self._scale.value > 1.0

    def move(self, good: tf.Tensor) -> None:
        """Notes whether a step's gradients were all finite."""
        streak = tf.where(good, self._good.value + 1, 0)
        grown = streak >= _DOUBLED_AFTER
        factor = tf.where(good, tf.where(grown, 2.0, 1.0), 0.5)
        self._scale.assign(tf.clip_by_value(self._scale.value * factor, 1.0, 2.0**24))
        self._good.assign(tf.where(grown, tf.zeros_like(streak), streak))


def all_finite(gradients: list[tf.Tensor]) -> tf.Tensor:
    """1.0 where every number of one replica's gradients is finite, 0.0 elsewhere."""
    finite = [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients]
    return tf.cast(tf.reduce_all(finite), tf.float32)
