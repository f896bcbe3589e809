"""Learning-rate schedules: a pure function of the step, computed once as a table."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.spec.optimizer import Schedule


def learning_rates(schedule: Schedule, steps: int) -> np.ndarray:
    """Returns the learning rate at each step of a training, float32 of shape `(steps,)`.

    The warm-up rises from `start * peak` at step 0; the decay reaches `final * peak` after the last
    step, so that the last step still learns. A plateau schedule is constant here.
    """
    step = np.arange(steps, dtype=np.int64)
    if schedule.stairs is not None:
        # In integers: a stair begins exactly at the step that its share names.
        share = (step * schedule.stairs // max(1, steps)) / schedule.stairs
    else:
        share = step / max(1, steps)
    begin = 0.0 if schedule.warmup_over else schedule.warmup
    passed = np.clip((share - begin) / (1 - schedule.hold - begin), 0.0, 1.0)
    factor = _warmup_factor(schedule, share) * _decay_factor(schedule, share, passed)
    return (schedule.peak * factor).astype(np.float32)


def _warmup_factor(schedule: Schedule, share: np.ndarray) -> np.ndarray:
    """Returns the factor of the warm-up, from `start` to 1."""
    if schedule.warmup_shape == "constant":
        rise = np.full_like(share, schedule.start)
    else:
        rise = schedule.start + (1 - schedule.start) * share / (schedule.warmup or 1.0)
    return np.where(share < schedule.warmup, rise, 1.0)


def _decay_factor(schedule: Schedule, share: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """Returns the factor of the decay, during which `passed` goes from 0 to 1."""
    rest = 1 - schedule.final
    match schedule.kind:
        case "constant" | "plateau":
            return np.ones_like(share)
        case "triangular":
            return schedule.final + rest * (1 - passed)
        case "cosine":
            return schedule.final + rest * (1 + np.cos(np.pi * passed)) / 2
        case "polynomial":
            return schedule.final + rest * (1 - passed) ** schedule.power
        case "exponential":
            return schedule.final**passed
        case "step":
            return schedule.factor ** np.searchsorted(schedule.drops, share, side="right")
    raise AssertionError(schedule.kind)


@keras.saving.register_keras_serializable("reszoo")
class TabledRate(keras.optimizers.schedules.LearningRateSchedule):
    """The table of `learning_rates` inside the graph of a training step."""

    def __init__(self, schedule: dict[str, Any], steps: int) -> None:
        self.schedule = schedule
        self.steps = steps
        self.table = learning_rates(Schedule.model_validate(schedule), steps)

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the rate at `step`; after the last step, the last rate."""
        return tf.gather(self.table, tf.minimum(tf.cast(step, tf.int64), self.steps - 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"schedule": self.schedule, "steps": self.steps}


def keras_rate(schedule: Schedule, steps: int) -> TabledRate | float:
    """Returns the schedule for Keras; a plain number where callbacks may change it."""
    if schedule.is_free:
        return schedule.peak
    return TabledRate(schedule.model_dump(mode="json"), steps)


def rate_callbacks(schedule: Schedule) -> list[keras.callbacks.Callback]:
    """Returns the callback of a plateau schedule; an empty list for other schedules.

    Checkpoints hold its state like any callback's.
    """
    if schedule.kind != "plateau":
        return []
    return [
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            factor=schedule.factor,
            patience=schedule.patience,
            min_delta=0.0,
            min_lr=schedule.peak * schedule.final,
        )
    ]
