"""The log of retrainings, retrained.jsonl: accuracies on the test split, and their spread."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from reszoo.atomic_files import append_line
from reszoo.errors import UserError
from reszoo.runs.jsonl import read_lines, write_lines
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.searched_paths import plain
from reszoo.tuning.trial_log import TrialJob


@dataclass(frozen=True, slots=True)
class RetrainRecord:
    """A line of retrained.jsonl: a winner, trained on all training images with one seed."""

    trial: int
    repeat: int
    """Number of the seed, from 1."""
    seed: int
    epochs: int
    state: Literal["finished", "failed"]
    test_accuracy: float | None
    """That of the last epoch; None where the training failed or the data have no test split."""
    changes: Mapping[str, Any]
    """The searched fields and their values."""
    message: str | None = None
    """The last lines of a failed training."""

    @property
    def key(self) -> tuple[int, int]:
        """What tells it apart from the other rows."""
        return (self.trial, self.repeat)

    @classmethod
    def of(cls, job: TrialJob, outcome: JobOutcome, seed: int) -> RetrainRecord:
        """Returns the record of a job and its outcome."""
        return cls(
            trial=job.trial,
            repeat=job.repeat,
            seed=seed,
            epochs=job.epochs,
            state="failed" if outcome.message is not None else "finished",
            test_accuracy=None if outcome.message is not None else outcome.test_accuracy,
            changes=plain(job.changes),
            message=outcome.message,
        )


@dataclass(frozen=True, slots=True)
class RetrainSummary:
    """The accuracy of one winner over its seeds."""

    trial: int
    epochs: int
    trainings: int
    """Number of trainings, failed ones included."""
    accuracies: tuple[float, ...]
    """On the test split, by seed; failed trainings have none."""
    message: str | None
    """Why a training failed; None where none did."""

    @property
    def mean(self) -> float | None:
        """The mean test accuracy; None where there is none."""
        return statistics.fmean(self.accuracies) if self.accuracies else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation over seeds (of a sample); None below two seeds."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


def summarize(records: Iterable[RetrainRecord]) -> list[RetrainSummary]:
    """Returns a summary of each winner, in the order of the records."""
    by_trial: dict[int, list[RetrainRecord]] = {}
    for record in records:
        by_trial.setdefault(record.trial, []).append(record)
    return [
        RetrainSummary(
            trial,
            rows[0].epochs,
            len(rows),
            tuple(row.test_accuracy for row in rows if row.test_accuracy is not None),
            next((row.message for row in rows if row.message is not None), None),
        )
        for trial, rows in by_trial.items()
    ]


def read_retrained(path: Path) -> list[RetrainRecord]:
    """Returns the lines of a log, none where there is no file.

    Raises:
      UserError: a line is damaged.
    """
    try:
        return [RetrainRecord(**line) for line in read_lines(path)]
    except TypeError as error:  # fields are missing or unknown
        raise UserError(
            "the log of retrainings is damaged",
            where=str(path),
            found=str(error),
            hint=f"delete {path.name}: the same command reads the finished runs again",
        ) from None


def append_retrained(path: Path, record: RetrainRecord) -> None:
    """Appends a line."""
    append_line(path, json.dumps(asdict(record), allow_nan=False))


def write_retrained(path: Path, records: Iterable[RetrainRecord]) -> None:
    """Replaces a log by records in the order of trials and seeds."""
    write_lines(path, map(asdict, sorted(records, key=lambda record: record.key)))
