"""How do parts of a network learn at rates of their own, or begin to learn later than the rest?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf


class Pace(NamedTuple):
    """How one variable learns."""

    factor: float = 1.0
    """Multiplies the learning rate, and so the pull of a decoupled decay too."""
    begins: int = 0
    """Steps of the training before it begins to learn."""
    decay: float = 0.0
    """Decoupled weight decay."""


class _Paced:
    """A Keras optimizer that gives each variable its pace. Keras knows one rate for all.

    A factor on the gradient would do for SGD and be lost on Adam, which divides by the gradient's
    size; a factor on the rate does what it says in both.
    """

    _paces: tuple[Pace, ...] = ()

    def set_paces(self, paces: Sequence[Pace]) -> None:
        """One pace for each variable the optimizer is built with, in their order."""
        self._paces = tuple(paces)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's update at its own rate."""
        pace = self._paces[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        rate = tf.cast(learning_rate, variable.dtype) * pace.factor
        if pace.decay:
            # Here and not by Keras, whose decay knows one rate for all.
            self.assign_sub(variable, variable * rate * pace.decay)  # type: ignore[attr-defined]
        if pace.begins:
            rate *= self._as_if_new(pace.begins, variable.dtype)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _as_if_new(self, begins: int, dtype: Any) -> Any:
        """What the rate needs so that clean slots act as at the start of a training."""
        return 1.0


class PacedSGD(_Paced, keras.optimizers.SGD):
    """SGD with a pace for each variable; its velocity starts at 0 whenever it starts."""


class PacedAdam(_Paced, keras.optimizers.Adam):
    """Adam with a pace for each variable."""

    def _as_if_new(self, begins: int, dtype: Any) -> Any:
        # Adam divides by how much of its moments is filled after so many steps (Kingma 2015,
        # section 3). Keras counts the training's steps; fresh moments have fewer behind them, and
        # would take a step three times too long.
        steps = tf.cast(self.iterations + 1, dtype)
        return self._filled(steps - begins, dtype) / self._filled(steps, dtype)

    def _filled(self, steps: Any, dtype: Any) -> Any:
        first, second = (1 - tf.cast(beta, dtype) ** steps for beta in (self.beta_1, self.beta_2))
        return tf.sqrt(second) / first
