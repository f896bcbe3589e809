"""Keras optimizers with parameter groups, coupled decay and global clipping.

Two traps decide the shape of this package. The `weight_decay=` of a Keras optimizer is decoupled
and applies to every variable, biases too; the SGD of the papers adds the decay to the gradients of
the kernels (`param_groups.py`). And a Keras optimizer clips each replica's gradient before they are
summed; here the sum is clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reszoo.spec.optimizer import EMA, Optimizer
from reszoo.training.optimizers.param_groups import ParamGroup, WithParamGroups
from reszoo.training.optimizers.schedules import ScheduledRate
from reszoo.training.optimizers.weight_averaging import WeightAveraging

_registered = keras.saving.register_keras_serializable("reszoo")


class _FusedSGD(keras.optimizers.SGD):
    """Keras's SGD with the step of momentum in one kernel: the same numbers, bit for bit.

    One pass over weights, velocity and gradient replaces nine.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable; gradient and rate come in the variable's dtype."""
        if not self.momentum:
            super().update_step(gradient, variable, learning_rate)
            return
        velocity = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=velocity.handle,
            lr=learning_rate,
            grad=gradient,
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


@_registered
class SGD(WithParamGroups, WeightAveraging, _FusedSGD):
    """Keras's SGD with parameter groups; the velocity of late variables starts at 0 too."""


@_registered
class Adam(WithParamGroups, WeightAveraging, keras.optimizers.Adam):
    """Keras's Adam with parameter groups; its own decay, which would make it AdamW, is off."""

    def _bias_correction(self, begins: int, dtype: Any) -> Any:
        # Adam divides by how much of its moments is filled after so many steps (Kingma 2015,
        # section 3). Keras counts the training's steps; fresh moments have fewer behind them, and
        # would take a step three times too long.
        steps = tf.cast(self.iterations + 1, dtype)
        return self._filled(steps - begins, dtype) / self._filled(steps, dtype)

    def _filled(self, steps: Any, dtype: Any) -> Any:
        first, second = (1 - tf.cast(beta, dtype) ** steps for beta in (self.beta_1, self.beta_2))
        return tf.sqrt(second) / first


@_registered
class RMSprop(WithParamGroups, WeightAveraging, keras.optimizers.RMSprop):
    """Keras's RMSprop, whose mean squares start at 1 as in TensorFlow 1 and timm.

    At 0, the first steps would be sqrt(1 / (1 - rho)) times too long.
    """

    def add_optimizer_variables(
        self, trainable_variables: Any, name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Adds Keras's variables, with ones for the mean squares, which it calls velocity."""
        start = "ones" if name == "velocity" else initializer
        return super().add_optimizer_variables(trainable_variables, name, start)


class _TrustedAdam(keras.optimizers.Lamb):
    """LAMB (You 2020, algorithm 2), whose trust ratio scales the decay too.

    Keras's own decay would be subtracted from the weights separately. Vectors take Adam's step.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        index = self._get_variable_index(variable)
        first, second = self._momentums[index], self._velocities[index]
        steps = tf.cast(self.iterations + 1 - self.param_group(variable).begins, variable.dtype)
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (tf.square(gradient) - second) * (1 - self.beta_2))
        mean, square = (
            moment / (1 - tf.cast(beta, variable.dtype) ** steps)
            for moment, beta in ((first, self.beta_1), (second, self.beta_2))
        )
        step = mean / (tf.sqrt(square) + self.epsilon) + self.decay_of(variable) * variable
        if len(variable.shape) > 1:
            step *= _trust(tf.norm(variable), tf.norm(step))
        self.assign_sub(variable, learning_rate * step)


@_registered
class Lamb(WithParamGroups, WeightAveraging, _TrustedAdam):
    """LAMB with parameter groups."""

    def _decayed(self, gradient: Any, variable: Any, rate: Any, decay: float) -> Any:
        return gradient  # The decay is part of its step.


def _trust(weights: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Returns the trust ratio |weights| / |step|; 1 where either is 0."""
    known = (weights > 0) & (step > 0)
    return tf.where(known, weights / tf.where(known, step, tf.ones_like(step)), tf.ones_like(step))


def make_optimizer(
    options: Optimizer, rate: ScheduledRate | float, *, ema: EMA | None = None
) -> keras.optimizers.Optimizer:
    """Returns the Keras optimizer of a recipe, not built yet."""
    # Keras numbers optimizers without a name; names in a checkpoint must be the same again.
    shared: dict[str, Any] = {"learning_rate": rate, "name": "optimizer"}
    first, second = options.betas
    moments = {"beta_1": first, "beta_2": second, "epsilon": options.epsilon}
    match options.kind:
        case "sgd":
            nesterov = options.nesterov and options.momentum > 0
            optimizer = SGD(momentum=options.momentum, nesterov=nesterov, **shared)
        case "adam" | "adamw":
            optimizer = Adam(**moments, **shared)
        case "lamb":
            optimizer = Lamb(**moments, **shared)
        case "rmsprop":
            optimizer = RMSprop(
                rho=options.rho, momentum=options.momentum, epsilon=options.epsilon, **shared
            )
    optimizer.lookahead, optimizer.average = options.lookahead, ema
    return optimizer


def build_optimizer(
    optimizer: keras.optimizers.Optimizer,
    options: Optimizer,
    variables: Sequence[Any],
    param_groups: Sequence[ParamGroup] | None = None,
) -> None:
    """Creates the optimizer's variables and sets the parameter groups."""
    optimizer.set_param_groups(options, param_groups or [ParamGroup()] * len(variables))
    optimizer.build(variables)


def final_gradients(gradients: Sequence[tf.Tensor], options: Optimizer) -> list[tf.Tensor]:
    """Clips one replica's gradients for `optimizer.apply`.

    `apply` sums over the replicas, so the clipped sum is divided by their number.
    """
    if options.clip_norm is None:
        return list(gradients)
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    final = list(gradients)
    if replicas > 1:
        final = [
            total / replicas for total in context.all_reduce(tf.distribute.ReduceOp.SUM, final)
        ]
    final, _ = tf.clip_by_global_norm(final, options.clip_norm / replicas)
    return list(final)
