"""How do parts of a network learn at rates and decays of their own, or begin later than the rest?

Keras knows one rate and one decay for all variables. Here every variable's step passes through
`WithParamGroups.update_step`, once its gradient is summed over the replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from reszoo.spec.optimizer import Optimizer

_SMALL = 1e-3
"""Norm below which weights count as this long when gradients are clipped by them (Brock 2021)."""


class ParamGroup(NamedTuple):
    """How one variable learns."""

    factor: float = 1.0
    """Multiplies the learning rate, and so the pull of a decoupled decay too."""
    begins: int = 0
    """Steps of the training before it begins to learn."""
    decay_factor: float = 1.0
    """Multiplies the weight decay, where the variable decays at all."""
    is_last: bool = False
    """Whether it is of the layer of the logits, which adaptive clipping spares."""


def decays(variable: Any, options: Optimizer) -> bool:
    """Whether a variable decays: kernels (two dimensions or more), and vectors only when asked."""
    return options.decay_norm_and_bias or len(variable.shape) > 1


class WithParamGroups:
    """Makes a Keras optimizer clip, decay and scale the step of each variable by its pace.

    A factor on the gradient would do for SGD and be lost on Adam, which divides by the gradient's
    size; a factor on the rate does what it says in all.
    """

    _options = Optimizer()
    _paces: tuple[ParamGroup, ...] = ()

    def follow(self, options: Optimizer, paces: Sequence[ParamGroup]) -> None:
        """Takes the recipe's options and one pace for each variable, in the order of `build`."""
        self._options = options
        self._paces = tuple(paces)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step, at its own pace."""
        # What needs no gradient, as momentum times velocity, would be computed while the step
        # begins and be kept until its end: as many numbers as the network has parameters.
        with tf.control_dependencies([gradient]):
            self._paced_step(tf.cast(gradient, variable.dtype), variable, learning_rate)

    def _paced_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        options, pace = self._options, self.pace_of(variable)
        rate = tf.cast(learning_rate, variable.dtype) * pace.factor
        if options.clip_adaptive is not None and not pace.is_last:
            gradient = clipped_by_weights(gradient, variable, options.clip_adaptive)
        if decay := self.decay_of(variable):
            gradient = self._pulled(gradient, variable, rate, decay)
        if pace.begins:
            rate *= self._as_if_new(pace.begins, variable.dtype)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def pace_of(self, variable: Any) -> ParamGroup:
        """How a variable learns."""
        if not self._paces:
            return ParamGroup()
        return self._paces[self._get_variable_index(variable)]  # type: ignore[attr-defined]

    def decay_of(self, variable: Any) -> float:
        """The weight decay of a variable."""
        if not decays(variable, self._options):
            return 0.0
        return self._options.weight_decay * self.pace_of(variable).decay_factor

    def _pulled(self, gradient: Any, variable: Any, rate: Any, decay: float) -> Any:
        """The gradient with a coupled decay in it; a decoupled one goes to the weights at once."""
        if not self._options.decoupled:
            return gradient + decay * variable
        self.assign_sub(variable, variable * rate * decay)  # type: ignore[attr-defined]
        return gradient

    def _as_if_new(self, begins: int, dtype: Any) -> Any:
        """What the rate needs so that clean slots act as at the start of a training."""
        return 1.0


def clipped_by_weights(gradient: tf.Tensor, weights: Any, share: float) -> tf.Tensor:
    """A gradient whose norm in each unit is at most `share` of that unit's weights' (Brock 2021).

    A unit is an output channel, the last dimension; a vector is one unit.
    """
    axes = list(range(max(1, len(weights.shape) - 1)))
    longest, length = (
        tf.sqrt(tf.reduce_sum(tf.square(one), axis=axes, keepdims=True))
        for one in (weights, gradient)
    )
    longest = share * tf.maximum(longest, _SMALL)
    return tf.where(length > longest, gradient * (longest / tf.maximum(length, 1e-6)), gradient)
