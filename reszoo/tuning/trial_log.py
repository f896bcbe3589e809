"""Trials of a search: the job and the record of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reszoo.planning import Cost
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.constraints import MEASURES, amount_of
from reszoo.tuning.searched_paths import plain

Kind = Literal["trial", "reference", "confirm", "retrain"]
"""`trial` is a candidate of the strategy, `reference` a spec beside the search, `confirm` one of
the best candidates once more, with another seed, and `retrain` a winner on all training images,
whose rows have a log of their own."""

KINDS: tuple[Kind, ...] = ("trial", "reference", "confirm", "retrain")
"""In the order of their rows."""

Key = tuple[Kind, int, int, int]
"""What tells the rows of a log apart: kind, trial, repeat and epochs."""

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
    measured: Mapping[str, float] = field(default_factory=dict)
    """Costs of its converted file by the limit's name, where the search needs them."""
    kind: Kind = "trial"
    repeat: int = 0
    """Number of the training with another seed; 0 is the one with the seed of the search."""
    place: tuple[int, ...] = (0,)
    """Its place in the order of asking: the group (a rung or batch), and the number therein."""
    recipe: Recipe | None = None
    """The recipe if it differs from that of the search."""

    @property
    def key(self) -> Key:
        """The key of its row."""
        return (self.kind, self.trial, self.repeat, self.epochs)

    @property
    def order(self) -> tuple[int, ...]:
        """What the rows of a log are sorted by."""
        return (KINDS.index(self.kind), *self.place)

    @property
    def group(self) -> tuple[int, ...]:
        """The rung or batch that it belongs to, whose results a strategy is told in order."""
        return self.order[:-1]

    @property
    def name(self) -> str:
        """The name of its run folder and its log; all rungs of a trial share it."""
        return f"{self.network}-seed-{self.repeat}" if self.repeat else self.network

    @property
    def network(self) -> str:
        """The name of its spec, which its trainings with other seeds share."""
        return f"reference-{self.trial:04d}" if self.kind == "reference" else f"{self.trial:04d}"


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
    cost: Mapping[str, float]
    """Each measure (the name of a limit) and its amount."""
    message: str | None = None
    """The last lines of a failed training."""
    kind: Kind = "trial"
    repeat: int = 0
    """Number of the training with another seed; 0 is the one with the seed of the search."""
    val_accuracies: tuple[float, ...] = ()
    """Validation accuracy after each epoch; version 0.1 did not record it."""
    reference: str | None = None
    """The name of a reference's network."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "val_accuracies", tuple(self.val_accuracies))

    @property
    def key(self) -> Key:
        """What tells it apart from the other rows."""
        return (self.kind, self.trial, self.repeat, self.epochs)

    @classmethod
    def of(cls, job: TrialJob, outcome: JobOutcome) -> TrialRecord:
        """Returns the record of a job and its outcome."""
        return cls(
            trial=job.trial,
            bracket=job.bracket,
            round=job.round,
            epochs=job.epochs,
            state="failed" if outcome.val_accuracy is None else "finished",
            val_accuracy=outcome.val_accuracy,
            changes=plain(job.changes),
            cost={name: amount_of(job.cost, name) for name in MEASURES} | dict(job.measured),
            message=outcome.message,
            kind=job.kind,
            repeat=job.repeat,
            val_accuracies=outcome.history,
            reference=job.architecture.name if job.kind == "reference" else None,
        )


@dataclass(frozen=True, slots=True)
class TrialTiming:
    """A line of timing.jsonl: what a training cost, which no two searches share."""

    kind: Kind
    trial: int
    repeat: int
    epochs: int
    seconds: float
    host: str
    attempts: int
    peak_memory: int | None
    """Largest resident memory of the training, in bytes."""

    @property
    def key(self) -> Key:
        """The key of its row in trials.jsonl."""
        return (self.kind, self.trial, self.repeat, self.epochs)

    @classmethod
    def of(cls, job: TrialJob, outcome: JobOutcome) -> TrialTiming:
        """Returns the timing of a job and its outcome."""
        seconds = round(outcome.seconds, 3)
        return cls(*job.key, seconds, outcome.host, outcome.attempts, outcome.peak_memory)


def was_lost(message: str | None) -> bool:
    """Returns whether the message of a failed trial blames the machine, not the network."""
    return message is not None and _LOST.match(message) is not None
