"""The training loop: one step, one evaluation, on any Keras model, through `strategy.run`.

Keras's own `fit` cannot stop and go on inside an epoch, and does not run under
MultiWorkerMirroredStrategy (keras#20585). Only public Keras API is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from reszoo.runs.cluster.devices import require_division
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loss_scale import LossScale, all_finite
from reszoo.training.loop.losses import ExampleLosses, cross_entropy, labels_of
from reszoo.training.loop.replicas import Replicas
from reszoo.training.optimizers.optimizers import build_optimizer, final_gradients
from reszoo.training.optimizers.param_groups import ParamGroup

_SUM = tf.distribute.ReduceOp.SUM


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
      accumulate: parts of a replica's batch that are computed one after the other.
      xla: whether XLA compiles the step. On a CPU it makes it slower (0.6x on ResNet-20).
      steps_per_execution: steps that run without the host, as a TPU needs it.

    Raises:
      UserError: the batch does not divide.
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
        paces: Sequence[ParamGroup] | None = None,
        accumulate: int = 1,
        xla: bool = False,
        steps_per_execution: int = 1,
    ) -> None:
        self.model = self.network = model
        self.judge = judge or model
        self.optimizer = optimizer
        self.options = options
        self.batch = batch
        self.strategy = strategy or tf.distribute.get_strategy()
        require_division(batch, self.strategy.num_replicas_in_sync, accumulate)
        self.accumulate = accumulate
        self.xla = xla
        self.steps_per_execution = steps_per_execution
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
        low = any(layer.compute_dtype == "float16" for layer in model.layers)
        self.scale = LossScale() if low else None
        self._evaluate = tf.function(self._measure, reduce_retracing=True)
        self.trace_again()

    @property
    def training_metrics(self) -> list[keras.metrics.Metric]:
        """Mean loss and accuracy over the epoch so far."""
        return [self.training_loss, self.training_accuracy]

    @property
    def owners(self) -> dict[str, Any]:
        """Who has variables that a training goes on with, beside the model: see `replicas` too."""
        metrics = {metric.name: metric for metric in self.training_metrics}
        scale = {} if self.scale is None else {"loss_scale": self.scale}
        return {"optimizer": self.optimizer, **metrics, **scale}

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
        self.replicas = Replicas(self.strategy, self.model, self.training_metrics)
        # XLA cannot compile what replicas say to each other: with several, only what each of them
        # does alone; nor what reads the next batch.
        whole = self.xla and self.replicas.count == 1 and self.steps_per_execution == 1
        alone = tf.function(self._summed_gradients, jit_compile=True)
        self._gradients = alone if self.xla and not whole else self._summed_gradients
        self._train = tf.function(self._step, jit_compile=whole, reduce_retracing=True)
        self._train_many = tf.function(self._steps_from, reduce_retracing=True)

    def train_through(self, network: keras.Model) -> None:
        """Trains the model's weights by another network that has them, for images of its size."""
        if network is not self.network:
            self.network = network
            self.trace_again()

    def feeds(self, batches: tf.data.Dataset) -> Iterator[tuple[Any, ...]]:
        """What `train` takes, until this worker's batches are used up."""
        if self.steps_per_execution == 1:
            yield from self.distributed(batches)
            return
        iterator = iter(self.distributed(batches))
        left = int(batches.cardinality())
        while left > 0:
            count = min(left, self.steps_per_execution)
            yield iterator, tf.constant(count)
            left -= count

    def train(self, *feed: Any) -> int:
        """One step on a batch, or all steps of one execution; returns how many."""
        if self.steps_per_execution == 1:
            self._train(*feed)
            return 1
        self._train_many(*feed)
        return int(feed[1])

    def results(self, metrics: Iterable[keras.metrics.Metric]) -> dict[str, float]:
        """The metrics' values as plain numbers, of all replicas: all workers ask together."""
        return {metric.name: float(metric.result()) for metric in metrics}

    def evaluate(
        self, batches: tf.data.Dataset, watch: Callable[[Iterable[Any]], Iterable[Any]] = iter
    ) -> dict[str, float]:
        """Mean loss (without smoothing) and accuracy over every example of `batches`, once.

        Args:
          batches: images and labels; full batches with weights where replicas share them.
          watch: is handed the batches as they are shared out, and hands them on.
        """
        metrics = [self.validation_loss, self.validation_accuracy]
        for metric in metrics:
            metric.reset_state()
        for batch in watch(self.distributed(batches)):
            self._evaluate(*batch)
        return self.results(metrics)

    def distributed(self, batches: tf.data.Dataset) -> Iterable[Any]:
        """This worker's batches, each shared out over its own replicas and fetched ahead."""
        if self.replicas.count == 1:
            return batches
        own = len(self.strategy.extended.worker_devices)
        size = next(iter(tf.nest.flatten(batches.element_spec))).shape[0]
        if size is None or size % own:
            raise ValueError(f"{own} replicas share full batches that divide, not {size} images")

        def shared(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tuple(tf.reshape(one, [own, size // own, *one.shape[1:]]) for one in batch)

        parts = batches if own == 1 else batches.map(shared).unbatch()
        return self.strategy.distribute_datasets_from_function(lambda context: parts)

    def average_statistics(self) -> None:
        """Gives every replica the mean of their moving statistics, before these are read."""
        self.replicas.average()

    def _steps_from(self, iterator: Any, count: tf.Tensor) -> None:
        for _ in tf.range(count):
            self._step(*next(iterator))

    def _step(self, images: tf.Tensor, targets: tf.Tensor) -> None:
        if self.scale is not None:
            self._scaled_step(images, targets, self.scale)
            return
        objectives = self.strategy.run(self._replica_step, args=(images, targets))
        self._note(self.strategy.reduce(_SUM, objectives, axis=None))

    def _scaled_step(self, images: tf.Tensor, targets: tf.Tensor, scale: LossScale) -> None:
        """A step in float16, which is left out where a gradient is too large for it."""
        objectives, gradients, finite = self.strategy.run(
            self._replica_scaled, args=(images, targets, scale.value)
        )
        objective = self.strategy.reduce(_SUM, objectives, axis=None)
        good = self.strategy.reduce(_SUM, finite, axis=None) == float(self.replicas.count)

        def apply() -> tf.Tensor:
            self.strategy.run(self._apply, args=(gradients,))
            return good

        tf.cond(good, apply, lambda: good)
        self._note(objective, good | scale.can_fall)
        scale.move(good)

    def _note(self, objective: tf.Tensor, usable: tf.Tensor | bool = True) -> None:
        """Counts the step, and remembers the first one that went wrong."""
        done = self._steps.assign_add(1)
        bad = ~(tf.math.is_finite(objective) & usable)
        self._bad_step.assign(tf.where(bad & (self._bad_step < 0), done, self._bad_step))

    def _replica_step(self, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        objective, gradients = self._gradients(images, targets, None)
        self._apply(gradients)
        return objective

    def _replica_scaled(
        self, images: tf.Tensor, targets: tf.Tensor, scale: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]:
        objective, gradients = self._gradients(images, targets, scale)
        gradients = [gradient / scale for gradient in gradients]
        return objective, gradients, all_finite(gradients)

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        variables = self.model.trainable_variables
        self.optimizer.apply(final_gradients(gradients, self.options), variables)

    def _summed_gradients(
        self, images: tf.Tensor, targets: tf.Tensor, scale: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The objective of a replica's share of a batch and its gradients, part by part."""
        if self.accumulate == 1:
            return self._part_gradients(images, targets, scale)
        cut = [
            tf.reshape(whole, [self.accumulate, -1, *whole.shape[1:]])
            for whole in (images, targets)
        ]

        def add_part(part: tf.Tensor, *sums: tf.Tensor) -> list[tf.Tensor]:
            objective, gradients = self._part_gradients(cut[0][part], cut[1][part], scale)
            new = zip(sums, [objective, *gradients], strict=True)
            return [part + 1, *(before + now for before, now in new)]

        first = self._part_gradients(cut[0][0], cut[1][0], scale)
        # One part at a time: side by side they would take the memory that this is to save.
        _, objective, *gradients = tf.while_loop(
            lambda part, *sums: part < self.accumulate,
            add_part,
            [tf.constant(1), first[0], *first[1]],
            parallel_iterations=1,
            maximum_iterations=self.accumulate - 1,
        )
        return objective, gradients

    def _part_gradients(
        self, images: tf.Tensor, targets: tf.Tensor, scale: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        parts = self.replicas.count * self.accumulate
        with tf.GradientTape() as tape:
            logits = self.network(images, training=True)
            losses = self._losses(targets, logits)
            loss = tf.reduce_sum(losses) / self.batch
            penalty = tf.add_n(self.model.losses) if self.model.losses else 0.0
            objective = loss + penalty / parts
            scaled = objective if scale is None else objective * scale
        variables = [variable.value for variable in self.model.trainable_variables]
        gradients = tape.gradient(scaled, variables)
        self.training_loss.update_state(losses)
        self.training_accuracy.update_state(labels_of(targets), logits)
        return objective, gradients

    def _measure(self, *batch: tf.Tensor) -> None:
        self.strategy.run(self._replica_evaluation, args=batch)

    def _replica_evaluation(
        self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> None:
        logits = self.judge(images, training=False)
        self.validation_loss.update_state(self._plain(labels, logits), sample_weight=weights)
        self.validation_accuracy.update_state(labels, logits, sample_weight=weights)
