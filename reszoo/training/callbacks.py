"""Keras callbacks in our training loop, with their state saved in checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.training.checkpoint.checkpoint_file import Arrays
from reszoo.training.checkpoint.object_state import (
    Serialized,
    deserialize,
    from_arrays,
    serialize,
    serialize_attributes,
    to_arrays,
)

Logs = Mapping[str, float]

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_WRITERS = (
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.BackupAndRestore,
    keras.callbacks.CSVLogger,
    keras.callbacks.TensorBoard,
)
_RATE_SETTERS = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)


class Callbacks:
    """The callbacks of a training, called as `fit` calls them.

    Args:
      callbacks: Keras callbacks, users' own among them.
      model: the model that trains, compiled with its optimizer.
      ema: whether the recipe has a moving average of the weights. Then the trainer itself puts it
        in the model while an epoch is validated, which is all that `SwapEMAWeights` would do.
      rate_is_free: whether the learning rate is a plain number that a callback may change.
      writes: whether this process writes files; of several workers, only the chief does. On the
        others, Keras's callbacks that only write are left out.

    Raises:
      UserError: a callback does not work with the recipe.
    """

    def __init__(
        self,
        callbacks: Sequence[Any],
        model: keras.Model,
        *,
        ema: bool = False,
        rate_is_free: bool = True,
        writes: bool = True,
    ) -> None:
        for callback in callbacks:
            _require_suited(callback, ema=ema, rate_is_free=rate_is_free)
        self._all = [
            callback
            for callback in callbacks
            if not isinstance(callback, keras.callbacks.SwapEMAWeights)
        ]
        self._list = keras.callbacks.CallbackList(self._all, model=model)
        self._model = model
        self._at_batches = any(_implements(callback, _BATCH_HOOKS) for callback in self._all)
        self._at_test_batches = any(_implements(callback, _TEST_HOOKS) for callback in self._all)
        self._watches_tests = bool(self._all)
        self._want_logs = any(_wants_logs(callback) for callback in self._all)
        if not writes:  # After the above: all workers read the logs together if any of them does.
            self._all = [callback for callback in self._all if not isinstance(callback, _WRITERS)]
            self._list = keras.callbacks.CallbackList(self._all, model=model)
        self._fresh = [serialize_attributes(callback) for callback in self._all]

    def begin(self, *, epochs: int, steps: int) -> None:
        """Begins the training; `state_arrays` returns what changes in the callbacks from now on."""
        self._model.stop_training = False
        self._list.set_params({"epochs": epochs, "steps": steps, "verbose": 0})
        self._list.on_train_begin()
        self._fresh = [serialize_attributes(callback) for callback in self._all]

    def end(self) -> None:
        """Ends the training; a callback may change the model's weights."""
        self._list.on_train_end()

    def epoch_begin(self, epoch: int) -> None:
        """Begins or resumes an epoch (from 0)."""
        self._list.on_epoch_begin(epoch)

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        """Ends an epoch; the logs are its metrics."""
        self._list.on_epoch_end(epoch, dict(logs))

    def batch_begin(self, step: int) -> None:
        """Begins a step (from 0 in its epoch)."""
        if self._at_batches:
            self._list.on_train_batch_begin(step)

    def batch_end(self, step: int, logs: Callable[[], Logs]) -> None:
        """Ends a step; its logs are read from the device only where a callback looks at them."""
        if self._at_batches:
            self._list.on_train_batch_end(step, dict(logs()) if self._want_logs else None)

    def tested(self, batches: Iterable[Any], logs: Callable[[], Logs]) -> Iterator[Any]:
        """Yields the batches of a validation, with the callbacks called around each."""
        self._list.on_test_begin()
        for step, batch in enumerate(batches):
            if self._at_test_batches:
                self._list.on_test_batch_begin(step)
            yield batch
            if self._at_test_batches:
                self._list.on_test_batch_end(step, dict(logs()))
        self._list.on_test_end(dict(logs()) if self._watches_tests else None)

    def state_arrays(self) -> Arrays:
        """Returns the state of the callbacks, as far as it changed since the training began."""
        state: dict[str, Serialized] = {}
        for key, callback, fresh in zip(self._keys(), self._all, self._fresh, strict=True):
            if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
                state[f"{key}/"] = serialize(callback.get_state())
                continue
            state[f"{key}/"] = serialize(None)
            for name, value in serialize_attributes(callback).items():
                if not value.equals(fresh.get(name)):
                    state[f"{key}/{name}"] = value
        return to_arrays(state)

    def restore_arrays(self, arrays: Arrays) -> list[str]:
        """Restores the state of each callback of the same class and order.

        Returns:
          Notes for the user: callbacks that are missing now, and those that are new.
        """
        state = from_arrays(arrays)
        callbacks = dict(zip(self._keys(), self._all, strict=True))
        for name, value in state.items():
            key, _, attribute = name.partition("/")
            callback = callbacks.get(key)
            if callback is not None and attribute:
                setattr(callback, attribute, deserialize(value))
            elif callback is not None and hasattr(callback, "set_state"):
                callback.set_state(deserialize(value))
        saved = {name.partition("/")[0] for name in state}
        gone = [f"the callback {key} is missing now" for key in sorted(saved - callbacks.keys())]
        new = [f"the callback {key} is new" for key in sorted(callbacks.keys() - saved)]
        return gone + new

    def _keys(self) -> list[str]:
        """Returns a name for each callback: its class, numbered where there are several."""
        counts: Counter[str] = Counter()
        keys = []
        for callback in self._all:
            kind = type(callback).__name__
            counts[kind] += 1
            keys.append(kind if counts[kind] == 1 else f"{kind} {counts[kind]}")
        return keys


def compile_for_callbacks(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Compiles the model for callbacks: they read `model.optimizer` and `model.metrics`.

    Nothing is traced. Call it in the strategy's scope.
    """
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer=optimizer, metrics=[accuracy], jit_compile=False)
    # Keras creates the metrics when it first gets targets and logits.
    model.compute_metrics(None, np.zeros(1), np.zeros((1, model.output_shape[-1]), np.float32))
    model.reset_metrics()


def _require_suited(callback: Any, *, ema: bool, rate_is_free: bool) -> None:
    """Refuses a callback that does not work with the recipe."""
    kind = type(callback).__name__
    if isinstance(callback, keras.callbacks.SwapEMAWeights) and not ema:
        raise UserError(
            f"{kind} needs a moving average of the weights",
            expected="ema in the recipe",
            found="none",
            hint="--set-recipe ema=0.999; validation and saving then use it without this callback",
        )
    if isinstance(callback, _RATE_SETTERS) and not rate_is_free:
        raise UserError(
            f"{kind} changes the learning rate, and so does the recipe's schedule",
            expected="a constant schedule without warmup",
            hint="--set-recipe schedule.kind=constant --set-recipe schedule.warmup=0",
        )


def _implements(callback: Any, hooks: Sequence[str]) -> bool:
    return any(
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for hook in hooks
    )


def _wants_logs(callback: Any) -> bool:
    """Whether it may read a step's metrics: Keras's own that write at epochs do not."""
    frequency = getattr(callback, "save_freq", getattr(callback, "update_freq", None))
    return _implements(callback, ("on_batch_end", "on_train_batch_end")) and frequency != "epoch"
