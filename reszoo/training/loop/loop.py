"""The training loop: a training step and an evaluation of any Keras model on `strategy.run`.

Keras's own `fit` cannot resume inside an epoch, and does not run under MultiWorkerMirroredStrategy
(keras#20585). Only public Keras API is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from reszoo.runs.cluster.devices import require_divisible_batch
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.distillation import Distillation
from reszoo.training.loop.loss_scale import LossScale, all_finite
from reszoo.training.loop.losses import ExampleLosses, cross_entropy, labels_of
from reszoo.training.loop.replicas import Replicas
from reszoo.training.optimizers.optimizers import build_optimizer, final_gradients
from reszoo.training.optimizers.param_groups import ParamGroup

_SUM = tf.distribute.ReduceOp.SUM


class Loop:
    """Trains a model on batches of (images, targets) and evaluates it.

    Args:
      model: from images to logits of shape `(batch, classes)`, built under `strategy`.
      optimizer: created under `strategy`, not built yet.
      options: the recipe's optimizer, for clipping and decay.
      batch: images of one step over all replicas; the loss is their mean.
      strategy: the strategy of the model's variables. Defaults to the current one.
      losses: losses of the training. Defaults to cross-entropy, which evaluation always uses.
      distillation: what teachers add to the losses. Defaults to none.
      val_model: the model that is evaluated, on the same variables. Defaults to `model`.
      variables: the variables that learn at some time. Defaults to all trainable ones.
      param_groups: the group of each of `variables`. Defaults to one group for all.
      accumulate: number of parts of a replica's batch that are computed one after the other.
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
        distillation: Distillation | None = None,
        val_model: keras.Model | None = None,
        variables: Sequence[Any] | None = None,
        param_groups: Sequence[ParamGroup] | None = None,
        accumulate: int = 1,
        xla: bool = False,
        steps_per_execution: int = 1,
    ) -> None:
        self.model = self.network = model
        self.val_model = val_model or model
        self.optimizer = optimizer
        self.options = options
        self.batch = batch
        self.strategy = strategy or tf.distribute.get_strategy()
        require_divisible_batch(batch, self.strategy.num_replicas_in_sync, accumulate)
        self.accumulate = accumulate
        self.xla = xla
        self.steps_per_execution = steps_per_execution
        self.variables = list(model.trainable_variables if variables is None else variables)
        with self.strategy.scope():
            build_optimizer(optimizer, options, self.variables, param_groups)
            self.training_loss = keras.metrics.Mean(name="loss")
            self.training_accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
            self.validation_loss = keras.metrics.Mean(name="val_loss")
            self.validation_accuracy = keras.metrics.SparseCategoricalAccuracy(name="val_accuracy")
        self._plain = cross_entropy()
        self._losses, self._distillation = losses or self._plain, distillation
        # Host counters, outside the scope: one number each, not one per replica.
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._bad_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        low = any(layer.compute_dtype == "float16" for layer in model.layers)
        self.loss_scale = LossScale() if low else None
        self._evaluate = tf.function(self._measure, autograph=False, reduce_retracing=True)
        self.replicas = Replicas(self.strategy, self.model, self.training_metrics)
        self.retrace()

    @property
    def training_metrics(self) -> list[keras.metrics.Metric]:
        """Mean loss and accuracy over the epoch so far."""
        return [self.training_loss, self.training_accuracy]

    @property
    def owners(self) -> dict[str, Any]:
        """Owners of the variables that a checkpoint needs beside the model's and `replicas`'."""
        metrics = {metric.name: metric for metric in self.training_metrics}
        scale = {} if self.loss_scale is None else {"loss_scale": self.loss_scale}
        return {"optimizer": self.optimizer, **metrics, **scale}

    @property
    def steps(self) -> int:
        """Number of steps since the training began."""
        return int(self._steps)

    @property
    def bad_step(self) -> int | None:
        """The first step (from 1) whose loss was not a finite number, or None."""
        step = int(self._bad_step)
        return None if step < 0 else step

    def restore_step(self, steps: int) -> None:
        """Sets the number of steps, when a checkpoint is restored."""
        self._steps.assign(steps)
        self._bad_step.assign(-1)

    def retrace(self) -> None:
        """Makes the next step follow which layers are trainable: a traced one does not."""
        self.replicas.retrace()
        # XLA compiles neither collectives nor reading the next batch: there, only the gradients of
        # each replica are compiled.
        whole = self.xla and self.replicas.count == 1 and self.steps_per_execution == 1
        alone = tf.function(self._summed_gradients, autograph=False, jit_compile=True)
        self._gradients = alone if self.xla and not whole else self._summed_gradients
        self._train = tf.function(
            self._step, autograph=False, jit_compile=whole, reduce_retracing=True
        )
        self._train_many = tf.function(self._steps_from, autograph=False, reduce_retracing=True)

    def train_through(self, network: keras.Model) -> None:
        """Trains the model's weights through a network on the same variables, for another size."""
        if network is not self.network:
            self.network = network
            self.retrace()

    def feeds(self, batches: tf.data.Dataset) -> Iterator[tuple[Any, ...]]:
        """Yields the arguments of `train` until this worker's batches are used up."""
        if self.steps_per_execution == 1:
            yield from self.distributed(batches)
            return
        iterator = iter(self.distributed(batches))
        for begin in range(0, total := int(batches.cardinality()), self.steps_per_execution):
            yield iterator, tf.constant(min(total - begin, self.steps_per_execution))

    def train(self, *feed: Any) -> int:
        """Runs one step on a batch, or all steps of one execution; returns their number."""
        if self.steps_per_execution == 1:
            self._train(*feed)
            return 1
        self._train_many(*feed)
        return int(feed[1])

    def results(self, metrics: Iterable[keras.metrics.Metric]) -> dict[str, float]:
        """Returns metrics as numbers, over all replicas; all workers must call it together."""
        return {metric.name: float(metric.result()) for metric in metrics}

    def evaluate(
        self, batches: tf.data.Dataset, watch: Callable[[Iterable[Any]], Iterable[Any]] = iter
    ) -> dict[str, float]:
        """Returns mean loss (without smoothing) and accuracy over every example of `batches`.

        Args:
          batches: images and labels; padded batches with weights where replicas share them.
          watch: gets the distributed batches and yields them on.
        """
        metrics = [self.validation_loss, self.validation_accuracy]
        for metric in metrics:
            metric.reset_state()
        for batch in watch(self.distributed(batches)):
            self._evaluate(*batch)
        return self.results(metrics)

    def distributed(self, batches: tf.data.Dataset) -> Iterable[Any]:
        """Returns this worker's batches, each divided over its replicas and prefetched."""
        if self.replicas.count == 1:
            return batches
        own = len(self.strategy.extended.worker_devices)
        size = next(iter(tf.nest.flatten(batches.element_spec))).shape[0]
        if size is None or size % own:
            raise ValueError(f"{own} replicas share full batches that divide, not {size} images")

        def divide(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tuple(tf.reshape(t, [own, size // own, *t.shape[1:]]) for t in batch)

        parts = batches if own == 1 else batches.map(divide).unbatch()
        return self.strategy.distribute_datasets_from_function(lambda context: parts)

    def average_statistics(self) -> None:
        """Averages the moving statistics over the replicas, before they are read."""
        self.replicas.average()

    def _steps_from(self, iterator: Any, count: tf.Tensor) -> None:
        def step(done: tf.Tensor) -> tuple[tf.Tensor]:
            self._step(*next(iterator))
            return (done + 1,)

        tf.while_loop(lambda done: done < count, step, [tf.constant(0)], parallel_iterations=1)

    def _step(self, images: tf.Tensor, targets: tf.Tensor) -> None:
        if self.loss_scale is not None:
            self._scaled_step(images, targets, self.loss_scale)
            return
        objectives = self.strategy.run(self._replica_step, args=(images, targets))
        self._count_step(self.strategy.reduce(_SUM, objectives, axis=None))

    def _scaled_step(self, images: tf.Tensor, targets: tf.Tensor, scale: LossScale) -> None:
        """Takes a step in float16, which is skipped where a gradient overflows."""
        objectives, gradients, finite = self.strategy.run(
            self._replica_scaled, args=(images, targets, scale.value)
        )
        objective = self.strategy.reduce(_SUM, objectives, axis=None)
        good = self.strategy.reduce(_SUM, finite, axis=None) == float(self.replicas.count)

        def apply() -> tf.Tensor:
            self.strategy.run(self._apply, args=(gradients,))
            return good

        tf.cond(good, apply, lambda: good)
        self._count_step(objective, good | scale.can_decrease)
        scale.update(good)

    def _count_step(self, objective: tf.Tensor, usable: tf.Tensor | bool = True) -> None:
        """Counts the step, and records the first one that went wrong."""
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
        """Returns the objective of a replica's batch and its gradients, accumulated over parts."""
        if self.accumulate == 1:
            return self._part_gradients(images, targets, scale)
        parts = [
            tf.reshape(tensor, [self.accumulate, -1, *tensor.shape[1:]])
            for tensor in (images, targets)
        ]

        def add_part(part: tf.Tensor, *sums: tf.Tensor) -> list[tf.Tensor]:
            objective, gradients = self._part_gradients(parts[0][part], parts[1][part], scale)
            pairs = zip(sums, [objective, *gradients], strict=True)
            return [part + 1, *(total + value for total, value in pairs)]

        first = self._part_gradients(parts[0][0], parts[1][0], scale)
        # One part at a time: in parallel they would need the memory that this saves.
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
            if self._distillation is not None:
                losses = self._distillation.losses(losses, images, logits)
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
        logits = self.val_model(images, training=False)
        self.validation_loss.update_state(self._plain(labels, logits), sample_weight=weights)
        self.validation_accuracy.update_state(labels, logits, sample_weight=weights)
