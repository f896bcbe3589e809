"""Learning-rate schedules: a pure function of the step, computed when it is asked for."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.spec.optimizer import Schedule


def learning_rate(schedule: Schedule, step: Any, steps: int) -> tf.Tensor:
    """Returns the learning rate at a step, float32 of the step's shape.

    The warm-up rises from `start * peak` at step 0; the decay reaches `final * peak` after the last
    step, so that the last step still learns. A plateau schedule is constant here.

    Args:
      schedule: the recipe's.
      step: integers, from 0; after the last step, the rate is that of the last.
      steps: steps of the whole training.
    """
    steps = max(1, steps)
    step = tf.minimum(tf.cast(step, tf.int64), steps - 1)
    if schedule.stairs is not None:
        # In integers: a stair begins exactly at the step that its share names.
        share = tf.cast(step * schedule.stairs // steps, tf.float64) / schedule.stairs
    else:
        share = tf.cast(step, tf.float64) / steps
    begin = 0.0 if schedule.warmup_over else schedule.warmup
    passed = tf.clip_by_value((share - begin) / (1 - schedule.hold - begin), 0.0, 1.0)
    factor = _warmup_factor(schedule, share) * _decay_factor(schedule, share, passed)
    return tf.cast(schedule.peak * factor, tf.float32)


def learning_rates(schedule: Schedule, steps: int) -> np.ndarray:
    """Returns the learning rate at each step of a training, float32 of shape `(steps,)`."""
    return np.asarray(learning_rate(schedule, np.arange(steps), steps))


def _warmup_factor(schedule: Schedule, share: tf.Tensor) -> tf.Tensor:
    """Returns the factor of the warm-up, from `start` to 1."""
    start = tf.constant(schedule.start, tf.float64)
    rise = start
    if schedule.warmup_shape != "constant":
        rise = start + (1 - start) * share / (schedule.warmup or 1.0)
    return tf.where(share < schedule.warmup, rise, tf.ones_like(share))


def _decay_factor(schedule: Schedule, share: tf.Tensor, passed: tf.Tensor) -> tf.Tensor:
    """Returns the factor of the decay, during which `passed` goes from 0 to 1."""
    rest = 1 - schedule.final
    match schedule.kind:
        case "constant" | "plateau":
            return tf.ones_like(share)
        case "triangular":
            return schedule.final + rest * (1 - passed)
        case "cosine":
            return schedule.final + rest * (1 + tf.cos(np.pi * passed)) / 2
        case "polynomial":
            return schedule.final + rest * (1 - passed) ** schedule.power
        case "exponential":
            return tf.constant(schedule.final, tf.float64) ** passed
        case "step":
            drops = tf.constant(schedule.drops, tf.float64)
            dropped = tf.reduce_sum(tf.cast(share[..., None] >= drops, tf.float64), axis=-1)
            return tf.constant(schedule.factor, tf.float64) ** dropped
    raise AssertionError(schedule.kind)


@keras.saving.register_keras_serializable("reszoo", "TabledRate")
class ScheduledRate(keras.optimizers.schedules.LearningRateSchedule):
    """`learning_rate` inside the graph of a training step."""

    def __init__(self, schedule: dict[str, Any], steps: int) -> None:
        self.schedule = schedule
        self.steps = steps
        self._schedule = Schedule.model_validate(schedule)

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the rate at `step`; after the last step, the last rate."""
        return learning_rate(self._schedule, step, self.steps)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"schedule": self.schedule, "steps": self.steps}


def keras_rate(schedule: Schedule, steps: int) -> ScheduledRate | float:
    """Returns the schedule for Keras; a plain number where callbacks may change it."""
    if schedule.is_free:
        return schedule.peak
    return ScheduledRate(schedule.model_dump(mode="json"), steps)


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
