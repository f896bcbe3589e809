"""The training loop: one step, one evaluation, on any Keras model, through `strategy.run`.

Keras's own `fit` cannot stop and go on inside an epoch, and does not run under
MultiWorkerMirroredStrategy (keras#20585). Only public Keras API is used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from reszoo.spec.optimization import Optimizer
from reszoo.train.losses import ExampleLosses, cross_entropy, labels_of
from reszoo.train.optimizer import build_optimizer, final_gradients
from reszoo.train.pace import Pace

_GRAPH = {"jit_compile": False, "reduce_retracing": True}
"""XLA is off: on a CPU it makes the whole step slower (0.6x on ResNet-20)."""


class Loop:
    """Steps a model over batches of (images, targets) and measures it.

    Args:
      model: images to logits of shape `(batch, classes)`, made under `strategy`.
      optimizer: made under `strategy`.
      options: the recipe's optimizer, for clipping and decay.
      batch: images of one step over all replicas; the loss is their mean.
      strategy: where the model's variables live.
      losses: of the training; evaluation always takes the plain cross entropy.
      judge: what is evaluated, where it is not `model` itself.
      learning: the variables that learn at some time, where that is not all the time, or not all.
      paces: how each of them learns, where they differ; the optimizer is a paced one then.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        options: Optimizer,
        *,
        batch: int,
        strategy: tf.distribute.Strategy | None = None,
        losses: ExampleLosses | None = None,
        judge: keras.Model | None = None,
        learning: Sequence[Any] | None = None,
        paces: Sequence[Pace] | None = None,
    ) -> None:
        self.model = model
        self.judge = judge or model
        self.optimizer = optimizer
        self.options = options
        self.batch = batch
        self.strategy = strategy or tf.distribute.get_strategy()
        self.learning = list(model.trainable_variables if learning is None else learning)
        with self.strategy.scope():
            build_optimizer(optimizer, options, self.learning, paces)
            self.training_loss = keras.metrics.Mean(name="loss")
            self.training_accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
            self.validation_loss = keras.metrics.Mean(name="val_loss")
            self.validation_accuracy = keras.metrics.SparseCategoricalAccuracy(name="val_accuracy")
        self._plain = cross_entropy()
        self._losses = losses or self._plain
        # Host counters: outside the scope, where a variable is one number and not one per replica.
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._bad_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._evaluate = tf.function(self._measure, **_GRAPH)
        self.trace_again()

    @property
    def training_metrics(self) -> list[keras.metrics.Metric]:
        """Mean loss and accuracy over the epoch so far."""
        return [self.training_loss, self.training_accuracy]

    @property
    def steps(self) -> int:
        """Steps done since the training began."""
        return int(self._steps)

    @property
    def bad_step(self) -> int | None:
        """The first step (from 1) whose loss was not a finite number, if there was one."""
        step = int(self._bad_step)
        return None if step < 0 else step

    def go_to(self, steps: int) -> None:
        """Says how many steps were done, when a state is restored."""
        self._steps.assign(steps)
        self._bad_step.assign(-1)

    def trace_again(self) -> None:
        """Makes the next step look at which layers learn: a traced one no longer does."""
        self._train = tf.function(self._step, **_GRAPH)
        self._average = tf.function(self._share_statistics, **_GRAPH)

    def train(self, images: Any, targets: Any) -> None:
        """One step on one batch; under several replicas, on one distributed batch."""
        self._train(images, targets)

    def results(self, metrics: Iterable[keras.metrics.Metric]) -> dict[str, float]:
        """The metrics' values as plain numbers."""
        return {metric.name: float(metric.result()) for metric in metrics}

    def evaluate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """Mean loss (without smoothing) and accuracy over every example of `batches`, once."""
        metrics = [self.validation_loss, self.validation_accuracy]
        for metric in metrics:
            metric.reset_state()
        for images, labels in self.distributed(batches):
            self._evaluate(images, labels)
        return self.results(metrics)

    def distributed(self, batches: tf.data.Dataset) -> Iterable[Any]:
        """The batches, each shared out over the replicas."""
        if self.strategy.num_replicas_in_sync == 1:
            return batches
        return self.strategy.experimental_distribute_dataset(batches)

    def average_statistics(self) -> None:
        """Gives every replica the mean of their moving statistics, before these are read."""
        if self.strategy.num_replicas_in_sync > 1:
            self._average()

    def _step(self, images: tf.Tensor, targets: tf.Tensor) -> None:
        per_replica = self.strategy.run(self._replica_step, args=(images, targets))
        loss = self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        done = self._steps.assign_add(1)
        first_bad = ~tf.math.is_finite(loss) & (self._bad_step < 0)
        self._bad_step.assign(tf.where(first_bad, done, self._bad_step))

    def _measure(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        self.strategy.run(self._replica_evaluation, args=(images, labels))

    def _replica_step(self, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            losses = self._losses(targets, logits)
            loss = tf.reduce_sum(losses) / self.batch
            penalty = tf.add_n(self.model.losses) if self.model.losses else 0.0
            objective = loss + penalty / self.strategy.num_replicas_in_sync
        gradients = tape.gradient(objective, [variable.value for variable in variables])
        self.optimizer.apply(final_gradients(gradients, variables, self.options), variables)
        self.training_loss.update_state(losses)
        self.training_accuracy.update_state(labels_of(targets), logits)
        return objective

    def _replica_evaluation(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        logits = self.judge(images, training=False)
        self.validation_loss.update_state(self._plain(labels, logits))
        self.validation_accuracy.update_state(labels, logits)

    def _share_statistics(self) -> None:
        self.strategy.run(self._replica_average)

    def _replica_average(self) -> None:
        context = tf.distribute.get_replica_context()
        moving = (layer for layer in self.model.layers if layer.trainable)
        for variable in (one for layer in moving for one in layer.non_trainable_variables):
            if variable.dtype.startswith("float"):
                # The identity matters: a mirrored variable itself cannot be reduced.
                value = tf.identity(variable.value)
                variable.assign(context.all_reduce(tf.distribute.ReduceOp.MEAN, value))
