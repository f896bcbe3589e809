"""Events of a search, which it passes to the handler of its caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reszoo.tuning.retrained_log import RetrainRecord
from reszoo.tuning.trial_log import TrialJob, TrialRecord

EventKind = Literal["begins", "trains", "ends", "recalled"]
"""A training begins, still runs or has ended, or its record is from before the search was
stopped."""

NOTICE_SECONDS = 60.0
"""Seconds without an end of a training after which a search reports those that run."""


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of a training."""

    kind: EventKind
    job: TrialJob
    record: TrialRecord | None
    """The record of the training; None when it begins."""
    done: int
    """Number of trainings done, this one included once it has ended."""
    planned: int
    """Number of trainings of the search, in a space that is large enough."""
    best: TrialRecord | None
    """The best so far."""
    epoch: Mapping[str, Any] | None = None
    """The last epoch of a training that trains: `epoch`, `val_accuracy` and others; None in its
    first one."""
    seconds_left: float | None = None
    """Time that the search still takes at the pace so far; None where nothing was trained yet."""
    retrained: RetrainRecord | None = None
    """The record of a winner's training on all training images, which has ended."""


@dataclass(frozen=True, slots=True)
class MeasureEvent:
    """A candidate is about to be converted and measured, which takes seconds."""

    number: int
    """Number of the candidate among those measured for this search, from 1."""
    kind: Literal["measures"] = "measures"


EventHandler = Callable[[Event | MeasureEvent], None]
"""Is called with each event of a search."""
