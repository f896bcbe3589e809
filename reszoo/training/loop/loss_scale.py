"""Loss scaling for float16, whose smallest numbers are larger than many gradients.

The loss is multiplied by a scale, and the gradients are divided by it again (Micikevicius 2018).
Where a gradient overflows float16, the step is skipped and the scale halved; after many good steps
it is doubled. Keras's LossScaleOptimizer looks only at a replica's own gradients, so that replicas
could disagree; here all of them decide together.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_INITIAL = 2.0**15
_GROWTH_INTERVAL = 2000
"""Good steps in a row, as in Keras and NVIDIA's Apex."""


class LossScale:
    """The loss scale, and the number of good steps since it last changed.

    Create it outside a strategy's scope: it is one number, not one per replica.
    """

    def __init__(self) -> None:
        self._scale = keras.Variable(_INITIAL, dtype="float32", trainable=False, name="scale")
        self._good = keras.Variable(0, dtype="int64", trainable=False, name="good_steps")

    @property
    def variables(self) -> list[Any]:
        """The variables that belong in a checkpoint."""
        return [self._scale, self._good]

    @property
    def value(self) -> tf.Tensor:
        """The factor of the next step's loss."""
        return tf.identity(self._scale.value)

    @property
    def can_decrease(self) -> tf.Tensor:
        """Whether the scale may still be halved; at 1, an overflow is not the scale's fault."""
        return self._scale.value > 1.0

    def update(self, good: tf.Tensor) -> None:
        """Updates the scale after a step whose gradients were all finite (`good`) or not."""
        streak = tf.where(good, self._good.value + 1, 0)
        grown = streak >= _GROWTH_INTERVAL
        factor = tf.where(good, tf.where(grown, 2.0, 1.0), 0.5)
        self._scale.assign(tf.clip_by_value(self._scale.value * factor, 1.0, 2.0**24))
        self._good.assign(tf.where(grown, tf.zeros_like(streak), streak))


def all_finite(gradients: list[tf.Tensor]) -> tf.Tensor:
    """Returns 1.0 if one replica's gradients are all finite, else 0.0."""
    finite = [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients]
    return tf.cast(tf.reduce_all(finite), tf.float32)
