"""What is the learning rate at each step? A pure function of the step, told once as a table."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.spec.optimizer import Schedule


def rates(schedule: Schedule, steps: int) -> np.ndarray:
    """The learning rate at each step of a training, float32 of shape `(steps,)`.

    The warm-up rises from `start * peak` at step 0; what falls reaches `final * peak` at the last
    step's end, so that even the last step still learns. A plateau schedule is its peak here.
    """
    step = np.arange(steps, dtype=np.int64)
    if schedule.stairs is not None:
        # In whole numbers: a stair begins with the very step that the share names.
        share = (step * schedule.stairs // max(1, steps)) / schedule.stairs
    else:
        share = step / max(1, steps)
    begin = 0.0 if schedule.warmup_over else schedule.warmup
    passed = np.clip((share - begin) / (1 - schedule.hold - begin), 0.0, 1.0)
    factor = _warmth(schedule, share) * _fallen(schedule, share, passed)
    return (schedule.peak * factor).astype(np.float32)


def _warmth(schedule: Schedule, share: np.ndarray) -> np.ndarray:
    """The factor of the warm-up: `start` at first, 1 once warm."""
    if schedule.warmup_shape == "constant":
        rise = np.full_like(share, schedule.start)
    else:
        rise = schedule.start + (1 - schedule.start) * share / (schedule.warmup or 1.0)
    return np.where(share < schedule.warmup, rise, 1.0)


def _fallen(schedule: Schedule, share: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """The factor of the fall, where `passed` goes from 0 to 1 while it lasts."""
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
    """The table of `rates` inside the graph of a training step."""

    def __init__(self, schedule: dict[str, Any], steps: int) -> None:
        self.schedule = schedule
        self.steps = steps
        self.table = rates(Schedule.model_validate(schedule), steps)

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate at `step`; the last one afterwards."""
        return tf.gather(self.table, tf.minimum(tf.cast(step, tf.int64), self.steps - 1))

    def get_config(self) -> dict[str, Any]:
        """What makes the same schedule again."""
        return {"schedule": self.schedule, "steps": self.steps}


def keras_rate(schedule: Schedule, steps: int) -> TabledRate | float:
    """The schedule as Keras takes it: callbacks may change a plain number while it runs."""
    if schedule.is_free:
        return schedule.peak
    return TabledRate(schedule.model_dump(mode="json"), steps)


def rate_callbacks(schedule: Schedule) -> list[keras.callbacks.Callback]:
    """What changes the rate of a plateau schedule at the end of an epoch; none for the others.

    What it remembers is part of a run's state as any callback's is; the rate, the optimizer's.
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
