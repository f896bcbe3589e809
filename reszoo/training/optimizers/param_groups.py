"""Parameter groups: variables with learning rates, decays and first steps of their own.

Keras has one rate and one decay for all variables. Here every variable's step passes through
`WithParamGroups.update_step`, once its gradient is summed over the replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from reszoo.spec.optimizer import Optimizer

_SMALL = 1e-3
"""Smallest norm of weights that adaptive clipping reckons with (Brock 2021)."""


class ParamGroup(NamedTuple):
    """How one variable learns."""

    factor: float = 1.0
    """Multiplies the learning rate, and with it a decoupled decay."""
    begins: int = 0
    """Steps of the training before it begins to learn."""
    decay_factor: float = 1.0
    """Multiplies the weight decay, if the variable decays at all."""
    is_last: bool = False
    """Whether it belongs to the layer of the logits, which adaptive clipping leaves out."""


def decays(variable: Any, options: Optimizer) -> bool:
    """Whether a variable decays: kernels do; vectors only with `decay_norm_and_bias`."""
    return options.decay_norm_and_bias or len(variable.shape) > 1


class WithParamGroups:
    """A mixin that clips, decays and scales the step of each variable by its group.

    The factor is applied to the rate: Adam, which divides by the size of the gradient, would undo a
    factor on the gradient.
    """

    _options = Optimizer()
    _param_groups: tuple[ParamGroup, ...] = ()

    def set_param_groups(self, options: Optimizer, param_groups: Sequence[ParamGroup]) -> None:
        """Sets the recipe's options and the group of each variable, in the order of `build`."""
        self._options = options
        self._param_groups = tuple(param_groups)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable by its group."""
        # Terms without the gradient, such as momentum times velocity, would otherwise be computed
        # at the start of the step and kept to its end: one number per parameter.
        with tf.control_dependencies([gradient]):
            self._group_step(tf.cast(gradient, variable.dtype), variable, learning_rate)

    def _group_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        options, group = self._options, self.param_group(variable)
        rate = tf.cast(learning_rate, variable.dtype) * group.factor
        if options.clip_adaptive is not None and not group.is_last:
            gradient = clip_by_weights(gradient, variable, options.clip_adaptive)
        if decay := self.decay_of(variable):
            gradient = self._decayed(gradient, variable, rate, decay)
        if group.begins:
            rate *= self._bias_correction(group.begins, variable.dtype)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def param_group(self, variable: Any) -> ParamGroup:
        """Returns the group of a variable."""
        if not self._param_groups:
            return ParamGroup()
        return self._param_groups[self._get_variable_index(variable)]  # type: ignore[attr-defined]

    def decay_of(self, variable: Any) -> float:
        """Returns the weight decay of a variable."""
        if not decays(variable, self._options):
            return 0.0
        return self._options.weight_decay * self.param_group(variable).decay_factor

    def _decayed(self, gradient: Any, variable: Any, rate: Any, decay: float) -> Any:
        """Adds a coupled decay to the gradient, or applies a decoupled one to the weights."""
        if not self._options.decoupled:
            return gradient + decay * variable
        self.assign_sub(variable, variable * rate * decay)  # type: ignore[attr-defined]
        return gradient

    def _bias_correction(self, begins: int, dtype: Any) -> Any:
        """Returns the rate's factor for slots that are as new as the variable's first step."""
        return 1.0


def clip_by_weights(gradient: tf.Tensor, weights: Any, share: float) -> tf.Tensor:
    """Clips each unit's gradient norm to a share of its weights' norm (Brock 2021).

    A unit is an output channel, the last dimension; a vector is one unit.
    """
    axes = list(range(max(1, len(weights.shape) - 1)))
    weight_norm, norm = (
        tf.sqrt(tf.reduce_sum(tf.square(tensor), axis=axes, keepdims=True))
        for tensor in (weights, gradient)
    )
    largest = share * tf.maximum(weight_norm, _SMALL)
    return tf.where(norm > largest, gradient * (largest / tf.maximum(norm, 1e-6)), gradient)
