"""What is known of each trial: what to train, how it went, and which one was best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reszoo.planning import Cost
from reszoo.spec.architecture import Architecture
from reszoo.tuning.constraints import MEASURES, amount_of
from reszoo.tuning.space import plain, same

State = Literal["finished", "failed"]


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A candidate that is to be trained up to a number of epochs."""

    trial: int
    """Number of the candidate, from 1; one that goes on to the next rung keeps it."""
    bracket: int
    round: int
    from_epoch: int
    """Epochs it was trained for before."""
    epochs: int
    """Epochs it will have been trained for."""
    changes: Mapping[str, Any]
    """What it sets in the base."""
    architecture: Architecture
    cost: Cost


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training went: a validation accuracy, or why there is none."""

    val_accuracy: float | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        if self.val_accuracy is not None and not math.isfinite(self.val_accuracy):
            object.__setattr__(self, "message", f"val_accuracy is {self.val_accuracy}")
            object.__setattr__(self, "val_accuracy", None)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A line of trials.jsonl: one trial at one rung. No clock times, so that it is reproducible."""

    trial: int
    bracket: int
    round: int
    epochs: int
    state: State
    val_accuracy: float | None
    changes: Mapping[str, Any]
    cost: Mapping[str, int]
    """Amount of each measure (the name of a limit)."""
    message: str | None = None
    """The last lines of a failed training."""

    @classmethod
    def of(cls, job: TrialJob, outcome: Outcome) -> TrialRecord:
        """The line for a job and how it went."""
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

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> TrialRecord:
        """The row of a line. Raises TypeError when fields are missing or unknown."""
        return cls(**line)

    def to_json(self) -> dict[str, Any]:
        """The line of a row."""
        return asdict(self)

    def is_of(self, job: TrialJob) -> bool:
        """Whether this row is about that job."""
        return (self.trial, self.epochs) == (job.trial, job.epochs) and same(
            self.changes, job.changes
        )


def best_of(rows: Iterable[TrialRecord]) -> TrialRecord | None:
    """The best finished trial, or None when none finished.

    Only the longest trained are compared, for a schedule that was cut short says little about its
    end; then the higher accuracy, then fewer multiply-adds, then the earlier trial.
    """
    finished = [row for row in rows if row.state == "finished"]
    return max(finished, key=_merit, default=None)


def ranked(rows: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The last row of each trial, best first, failed ones last."""
    last = {row.trial: row for row in rows}
    finished = [row for row in last.values() if row.state == "finished"]
    failed = [row for row in last.values() if row.state == "failed"]
    return sorted(finished, key=_merit, reverse=True) + failed


def _merit(row: TrialRecord) -> tuple[float, ...]:
    return (row.epochs, row.val_accuracy or 0.0, -row.cost["macs"], -row.trial)
