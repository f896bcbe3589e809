"""How do Keras callbacks work in our loop, and go on in a run that goes on?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.training.checkpoint.checkpoints import Arrays
from reszoo.training.checkpoint.object_state import (
    Written,
    attributes,
    from_arrays,
    read,
    to_arrays,
    write,
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
      model: that trains, compiled with its optimizer.
      averages: whether the recipe has a moving average of the weights. Then the loop itself has it
        in the model's place while an epoch is judged and at its end, which is all that
        `SwapEMAWeights` would do.
      rate_is_free: whether the learning rate is a plain number that a callback may change.
      writes: whether this process writes files; of several workers the chief. Keras's callbacks
        that only write are left out of the others.

    Raises:
      UserError: a callback cannot work with the recipe.
    """

    def __init__(
        self,
        callbacks: Sequence[Any],
        model: keras.Model,
        *,
        averages: bool = False,
        rate_is_free: bool = True,
        writes: bool = True,
    ) -> None:
        for callback in callbacks:
            _require(callback, averages=averages, rate_is_free=rate_is_free)
        self._all = [
            one for one in callbacks if not isinstance(one, keras.callbacks.SwapEMAWeights)
        ]
        self._list = keras.callbacks.CallbackList(self._all, model=model)
        self._model = model
        self._at_batches = any(_implements(one, _BATCH_HOOKS) for one in self._all)
        self._at_test_batches = any(_implements(one, _TEST_HOOKS) for one in self._all)
        self._want_logs = any(_wants_logs(one) for one in self._all)
        if not writes:  # Only now: all workers read the logs together, whoever looks at them.
            self._all = [one for one in self._all if not isinstance(one, _WRITERS)]
            self._list = keras.callbacks.CallbackList(self._all, model=model)
        self._fresh = [attributes(one) for one in self._all]

    def begin(self, *, epochs: int, steps: int) -> None:
        """The training begins; what callbacks know from now on is what `memory` keeps."""
        self._model.stop_training = False
        self._list.set_params({"epochs": epochs, "steps": steps, "verbose": 0})
        self._list.on_train_begin()
        self._fresh = [attributes(one) for one in self._all]

    def end(self) -> None:
        """The training ends; a callback may give the model other weights."""
        self._list.on_train_end()

    def epoch_begin(self, epoch: int) -> None:
        """An epoch (from 0) begins, or goes on."""
        self._list.on_epoch_begin(epoch)

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        """An epoch ends; the logs are its metrics."""
        self._list.on_epoch_end(epoch, dict(logs))

    def batch_begin(self, step: int) -> None:
        """A step (from 0 in its epoch) begins."""
        if self._at_batches:
            self._list.on_train_batch_begin(step)

    def batch_end(self, step: int, logs: Callable[[], Logs]) -> None:
        """A step ends. Its logs are read from the device only where a callback looks at them."""
        if self._at_batches:
            self._list.on_train_batch_end(step, dict(logs()) if self._want_logs else None)

    def tested(self, batches: Iterable[Any], logs: Callable[[], Logs]) -> Iterator[Any]:
        """The batches of a validation, with the callbacks called around them."""
        self._list.on_test_begin()
        for step, batch in enumerate(batches):
            if self._at_test_batches:
                self._list.on_test_batch_begin(step)
            yield batch
            if self._at_test_batches:
                self._list.on_test_batch_end(step, dict(logs()))
        self._list.on_test_end(dict(logs()) if self._all else None)

    def memory(self) -> Arrays:
        """What the callbacks know beyond what they knew when the training began."""
        known: dict[str, Written] = {}
        for key, callback, fresh in zip(self._keys(), self._all, self._fresh, strict=True):
            if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
                known[f"{key}/"] = write(callback.get_state())
                continue
            known[f"{key}/"] = write(None)
            for name, now in attributes(callback).items():
                if not now.same_as(fresh.get(name)):
                    known[f"{key}/{name}"] = now
        return to_arrays(known)

    def remember(self, memory: Arrays) -> list[str]:
        """Gives the callbacks what they knew, each to the one of the same kind and order.

        Returns:
          What a person should hear: callbacks that were there before, and those that are new.
        """
        known = from_arrays(memory)
        here = dict(zip(self._keys(), self._all, strict=True))
        for name, written in known.items():
            key, _, attribute = name.partition("/")
            callback = here.get(key)
            if callback is not None and attribute:
                setattr(callback, attribute, read(written))
            elif callback is not None and hasattr(callback, "set_state"):
                callback.set_state(read(written))
        before = {name.partition("/")[0] for name in known}
        gone = [f"{key} was there before and is not now" for key in sorted(before - here.keys())]
        new = [f"{key} is new and knows nothing yet" for key in sorted(here.keys() - before)]
        return gone + new

    def _keys(self) -> list[str]:
        """A name for each callback: its class, with a number where there are several."""
        seen: Counter[str] = Counter()
        keys = []
        for callback in self._all:
            kind = type(callback).__name__
            seen[kind] += 1
            keys.append(kind if seen[kind] == 1 else f"{kind} {seen[kind]}")
        return keys


def compile_for_callbacks(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Gives the model what callbacks look for in it; nothing is traced here.

    They find `model.optimizer`, and in `model.metrics` whether more of a metric is better. Call it
    in the strategy's scope.
    """
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer=optimizer, metrics=[accuracy], jit_compile=False)
    # Keras makes the metrics when it first sees targets and logits.
    model.compute_metrics(None, np.zeros(1), np.zeros((1, model.output_shape[-1]), np.float32))
    model.reset_metrics()


def _require(callback: Any, *, averages: bool, rate_is_free: bool) -> None:
    kind = type(callback).__name__
    if isinstance(callback, keras.callbacks.SwapEMAWeights) and not averages:
        raise UserError(
            f"{kind} needs a moving average of the weights",
            expected="ema in the recipe",
            found="none",
            hint="--set-recipe ema=0.999; validation and saving then use it without this callback",
        )
    if isinstance(callback, _RATE_SETTERS) and not rate_is_free:
        raise UserError(
            f"{kind} changes the learning rate, and so does the recipe's schedule",
            expected="a constant schedule without warm-up",
            hint="--set-recipe schedule.kind=constant --set-recipe schedule.warmup=0",
        )


def _implements(callback: Any, hooks: Sequence[str]) -> bool:
    return any(
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for hook in hooks
    )


def _wants_logs(callback: Any) -> bool:
    """Whether it may look at a step's metrics: Keras's own that write at epochs do not."""
    frequency = getattr(callback, "save_freq", getattr(callback, "update_freq", None))
    return _implements(callback, ("on_batch_end", "on_train_batch_end")) and frequency != "epoch"
