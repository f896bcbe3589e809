"""How do gradients become updates: which Keras optimizer, and what is done to a gradient before it.

Two traps decide the shape of this file. The `weight_decay=` of a Keras optimizer is decoupled and
takes every variable, biases too; papers' SGD adds the decay to the gradient of the kernels. And a
Keras optimizer clips each replica's gradient before they are summed; here the sum is clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reszoo.spec.optimization import Optimizer
from reszoo.train.pace import Pace, PacedAdam, PacedSGD
from reszoo.train.schedule import TabledRate


def make_optimizer(
    options: Optimizer, rate: TabledRate | float, *, ema: float | None = None, paced: bool = False
) -> keras.optimizers.Optimizer:
    """The Keras optimizer of a recipe; decoupled decay still has to learn its variables.

    Args:
      options: the recipe's.
      rate: the learning rate.
      ema: share of a moving average of the weights kept at each step, or None.
      paced: whether `build_optimizer` will give variables rates of their own.
    """
    # A name of its own, as Keras numbers the others: the names of a saved state must come again.
    shared: dict[str, Any] = {"learning_rate": rate, "name": "optimizer"}
    if options.decoupled and options.weight_decay and not paced:
        shared["weight_decay"] = options.weight_decay
    if ema is not None:
        shared |= {"use_ema": True, "ema_momentum": ema}
    if options.kind == "sgd":
        nesterov = options.nesterov and options.momentum > 0
        sgd = PacedSGD if paced else keras.optimizers.SGD
        return sgd(momentum=options.momentum, nesterov=nesterov, **shared)
    first, second = options.betas
    # Keras's Adam decays decoupled when it decays at all, which makes it AdamW.
    adam = PacedAdam if paced else keras.optimizers.Adam
    return adam(beta_1=first, beta_2=second, epsilon=options.epsilon, **shared)


def decays(variable: Any, options: Optimizer) -> bool:
    """Whether a variable decays: kernels (two dimensions or more), and vectors only when asked."""
    return options.decay_norm_and_bias or len(variable.shape) > 1


def build_optimizer(
    optimizer: keras.optimizers.Optimizer,
    options: Optimizer,
    variables: Sequence[Any],
    paces: Sequence[Pace] | None = None,
) -> None:
    """Makes the optimizer's variables and tells it which of the model's do not decay.

    Args:
      optimizer: from `make_optimizer`, `paced` where there are paces.
      options: the recipe's.
      variables: all that learn at some time of the training.
      paces: how each of them learns.
    """
    if paces is not None:
        optimizer.set_paces(_with_decay(paces, options, variables))
    if optimizer.weight_decay:
        kept = [variable for variable in variables if not decays(variable, options)]
        optimizer.exclude_from_weight_decay(var_list=kept)
    optimizer.build(variables)


def _with_decay(paces: Sequence[Pace], options: Optimizer, variables: Sequence[Any]) -> list[Pace]:
    decay = options.weight_decay if options.decoupled else 0.0
    return [
        pace._replace(decay=decay) if decays(variable, options) else pace
        for pace, variable in zip(paces, variables, strict=True)
    ]


def final_gradients(
    gradients: Sequence[tf.Tensor], variables: Sequence[Any], options: Optimizer
) -> list[tf.Tensor]:
    """One replica's gradients, clipped and with the coupled decay, ready for `optimizer.apply`.

    `apply` sums over the replicas, so what does not come from this replica's images alone (the
    clipped sum, the decay) is divided by their number.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    final = list(gradients)
    if options.clip_norm is not None:
        if replicas > 1:
            final = [
                one / replicas for one in context.all_reduce(tf.distribute.ReduceOp.SUM, final)
            ]
        final, _ = tf.clip_by_global_norm(final, options.clip_norm / replicas)
    if options.weight_decay and not options.decoupled:
        pull = options.weight_decay / replicas
        final = [
            gradient + pull * variable.value if decays(variable, options) else gradient
            for gradient, variable in zip(final, variables, strict=True)
        ]
    return final
