"""What is the learning rate at each step? A pure function of the step, told once as a table."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.spec.optimization import Schedule


def rates(schedule: Schedule, steps: int) -> np.ndarray:
    """The learning rate at each step of a training, float32 of shape `(steps,)`.

    The warm-up rises in a line from `start * peak` at step 0; what falls reaches `final * peak`
    at the last step's end, so that even the last step still learns.
    """
    share = np.arange(steps, dtype=np.float64) / max(1, steps)
    warming = share < schedule.warmup
    rise = schedule.start + (1 - schedule.start) * share / (schedule.warmup or 1.0)
    after = np.clip((share - schedule.warmup) / (1 - schedule.warmup), 0.0, 1.0)
    factor = np.where(warming, rise, _after_warmup(schedule, share, after))
    return (schedule.peak * factor).astype(np.float32)


def _after_warmup(schedule: Schedule, share: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The factor of the peak once warm, where `after` goes from 0 to 1."""
    match schedule.kind:
        case "constant":
            return np.ones_like(share)
        case "triangular":
            return schedule.final + (1 - schedule.final) * (1 - after)
        case "cosine":
            return schedule.final + (1 - schedule.final) * (1 + np.cos(np.pi * after)) / 2
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
    """The schedule as Keras takes it: callbacks may change a plain constant while it runs."""
    if schedule.kind == "constant" and schedule.warmup == 0:
        return schedule.peak
    return TabledRate(schedule.model_dump(mode="json"), steps)
