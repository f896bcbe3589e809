"""Replicas of a model: the variables that differ between them, read, averaged and restored.

Weights never differ. Moving statistics do, as each replica normalises its own part of a batch, and
so do sums of metrics; seeds must, or all replicas would drop the same units. Keras keeps the first
two per replica and gives all replicas one seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.training.checkpoint.checkpoint_file import Arrays

_KEY = "replicas/values"
_FOLD = 0x9E3779B1
"""A prime near 2^32 divided by the golden ratio: neighbouring seeds are spread far apart."""
_graph = partial(tf.function, autograph=False)
_MEAN, _SUM = tf.distribute.ReduceOp.MEAN, tf.distribute.ReduceOp.SUM


class Replicas:
    """The replicas of a model under a strategy; with one replica there is nothing to average.

    All workers must call each method together.

    Args:
      strategy: the strategy that the model was built under.
      model: the model, with no layer frozen: Keras counts all weights of a frozen one among those
        that do not learn.
      metrics: metrics that sum over the steps.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        metrics: Iterable[keras.metrics.Metric] = (),
    ) -> None:
        self.strategy = strategy
        self.count = int(strategy.num_replicas_in_sync)
        self._layers = _moving_statistics(model)
        self._statistics = list(chain.from_iterable(self._layers.values()))
        self._sums = [variable for metric in metrics for variable in metric.variables]
        self._seeds = [
            variable for variable in model.variables if variable.name == "seed_generator_state"
        ]
        self._spread = _graph(lambda: strategy.run(self._replica_seeds))
        self._gather = _graph(lambda: strategy.run(self._replica_values))
        self._scatter = _graph(lambda rows: strategy.run(self._replica_write, args=(rows,)))
        self.retrace()

    def retrace(self) -> None:
        """Makes `average` follow which layers are trainable."""
        # Frozen statistics stay: the mean of equal numbers may differ from them in the last bit.
        learning = (variables for layer, variables in self._layers.items() if layer.trainable)
        self._averaged = list(chain.from_iterable(learning))
        self._average = _graph(lambda: self.strategy.run(self._replica_average))

    def average(self) -> None:
        """Averages the moving statistics over the replicas, before they are read."""
        if self.count > 1 and self._averaged:
            self._average()

    def spread_seeds(self) -> None:
        """Derives a seed for every replica from the first one's, which stays the same.

        The result does not depend on how often it is called.
        """
        if self.count > 1 and self._seeds:
            self._spread()

    def read(self) -> Arrays:
        """Returns the values of every replica, for a checkpoint."""
        if self.count == 1 or not self._own:
            return {}
        return {_KEY: self.strategy.experimental_local_results(self._gather())[0].numpy()}

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Assigns what `read` returned, after all other variables were assigned.

        With another number of replicas, each gets the mean of the statistics; metrics have their
        sum already.
        """
        rows = arrays.get(_KEY)
        if rows is not None and len(rows) == self.count > 1:
            self._scatter(tf.constant(rows))
        elif rows is not None:
            mean = rows.mean(axis=0)
            for variable, value in zip(self._own, _parts(mean, self._own), strict=True):
                if not any(variable is total for total in self._sums):
                    variable.assign(value)
        self.spread_seeds()

    @property
    def _own(self) -> list[Any]:
        return [*self._statistics, *self._sums]

    def _replica_average(self) -> None:
        context = tf.distribute.get_replica_context()
        # The identity matters: a mirrored variable itself cannot be reduced.
        values = [tf.identity(variable.value) for variable in self._averaged]
        for variable, mean in zip(self._averaged, context.all_reduce(_MEAN, values), strict=True):
            variable.assign(mean)

    def _replica_seeds(self) -> None:
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        for state in self._seeds:
            own = tf.cast(state.value, tf.int64)
            first = context.all_reduce(_SUM, tf.where(replica == 0, own, tf.zeros_like(own)))
            seed = tf.math.floormod(first[0] + replica * _FOLD, 1 << 32)
            # The first replica keeps its seed, whatever it is.
            seed = tf.where(replica == 0, first[0], seed)
            state.assign(tf.cast(tf.stack([seed, first[1]]), state.dtype))

    def _replica_values(self) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        kind = _widest(self._own)
        flat = [tf.reshape(tf.cast(variable.value, kind), [-1]) for variable in self._own]
        return context.all_gather(tf.concat(flat, 0)[tf.newaxis], axis=0)

    def _replica_write(self, rows: tf.Tensor) -> None:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        own = tf.gather(rows, replica)
        for variable, value in zip(self._own, _parts(own, self._own), strict=True):
            variable.assign(tf.cast(value, variable.dtype))


def _moving_statistics(model: keras.Model) -> dict[keras.layers.Layer, list[Any]]:
    """Returns the variables of each layer that follow the images, not the gradient."""
    return {
        layer: [
            variable
            for variable in layer.non_trainable_variables
            if keras.backend.is_float_dtype(variable.dtype)
        ]
        for layer in model.layers
    }


def _widest(variables: Sequence[Any]) -> str:
    return "float64" if any(v.dtype == "float64" for v in variables) else "float32"


def _parts(flat: Any, variables: Sequence[Any]) -> list[Any]:
    """Splits a flat row into arrays of the variables' shapes."""
    ends = np.cumsum([int(np.prod(variable.shape)) for variable in variables])
    starts = [0, *ends[:-1]]
    return [
        keras.ops.reshape(flat[start:end], variable.shape)
        for start, end, variable in zip(starts, ends, variables, strict=True)
    ]
