"""Trials of a search: the job, the outcome and the record of each, and their ranking."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reszoo.planning import Cost
from reszoo.spec.architecture import Architecture
from reszoo.tuning.constraints import MEASURES, amount_of
from reszoo.tuning.space import plain

_LOST = re.compile(
    r"the training was ended by |"
    r"the training ended with exit code 1\n(.*\n)*.*(No space left on device|"
    r"error: the disk is full|error: not enough memory for )"
)
"""Messages of version 0.1 for a training that was killed, or had too little disk or memory."""


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A candidate to train up to a number of epochs."""

    trial: int
    """Number of the candidate, from 1; a promoted candidate keeps it."""
    bracket: int
    round: int
    from_epoch: int
    """Epochs that it has been trained for."""
    epochs: int
    """Epochs to train it to, the earlier ones included."""
    changes: Mapping[str, Any]
    """The searched fields and their values."""
    architecture: Architecture
    cost: Cost


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a training: a validation accuracy, or the reason why there is none."""

    val_accuracy: float | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        if self.val_accuracy is not None and not math.isfinite(self.val_accuracy):
            object.__setattr__(self, "message", f"val_accuracy is {self.val_accuracy}")
            object.__setattr__(self, "val_accuracy", None)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A line of trials.jsonl: one trial at one rung, reproducible as it has no clock times."""

    trial: int
    bracket: int
    round: int
    epochs: int
    state: Literal["finished", "failed"]
    val_accuracy: float | None
    changes: Mapping[str, Any]
    cost: Mapping[str, int]
    """Each measure (the name of a limit) and its amount."""
    message: str | None = None
    """The last lines of a failed training."""

    @classmethod
    def of(cls, job: TrialJob, outcome: Outcome) -> TrialRecord:
        """Returns the record of a job and its outcome."""
        return cls(
            trial=job.trial,
            bracket=job.bracket,
            round=job.round,
            epochs=job.epochs,
            state="failed" if outcome.val_accuracy is None else "finished",
            val_accuracy=outcome.val_accuracy,
            changes=plain(job.changes),
            cost={name: amount_of(job.cost, name) for name in MEASURES},
            message=outcome.message,
        )


def was_lost(message: str | None) -> bool:
    """Returns whether the message of a failed trial blames the machine, not the network."""
    return message is not None and _LOST.match(message) is not None


def best_of(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """Returns the best finished trial, or None when none finished.

    Only those trained longest are compared, because a schedule that was cut short says little about
    its end. Among them the highest accuracy wins, then the fewest multiply-adds, then the earliest.
    """
    finished = [record for record in records if record.state == "finished"]
    return max(finished, key=_merit, default=None)


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Returns the last record of each trial, best first, failed ones last."""
    last = {record.trial: record for record in records}
    finished = [record for record in last.values() if record.state == "finished"]
    failed = [record for record in last.values() if record.state == "failed"]
    return sorted(finished, key=_merit, reverse=True) + failed


def _merit(record: TrialRecord) -> tuple[float, ...]:
    return (record.epochs, record.val_accuracy or 0.0, -record.cost["macs"], -record.trial)
