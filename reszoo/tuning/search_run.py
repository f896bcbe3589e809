"""One pass through a search: each job is recalled from the folder or trained, and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.space import Candidate
from reszoo.tuning.trial_log import Outcome, TrialJob, TrialRecord, best_of

Runner = Callable[[TrialJob], Outcome]
"""Trains a job, or goes on with it, and says how it went. A stop comes as KeyboardInterrupt."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a search tells whoever waits for it."""

    kind: Literal["begins", "ends", "recalled"]
    """A training begins or ends; or its result was there from before the search was stopped."""
    job: TrialJob
    row: TrialRecord | None
    """How it went; None when it begins."""
    done: int
    """Trainings done, this one included when it has ended."""
    planned: int
    """Trainings that the search takes in all, were its space large enough."""
    best: TrialRecord | None
    """The best so far."""


class SearchRun:
    """Performs the jobs that a strategy asks for, in its order.

    A search that goes on asks for the same jobs from the first on, and gets the recorded answers;
    so the strategy needs no state of its own on disk, and none can be damaged.
    """

    def __init__(
        self,
        setup: ResolvedSearch,
        folder: SearchFolder,
        runner: Runner,
        progress: Callable[[Event], None] | None = None,
    ) -> None:
        self.setup = setup
        self.folder = folder
        self.rows: list[TrialRecord] = []
        self.best: TrialRecord | None = None
        self.best_architecture: Architecture | None = None
        self._runner = runner
        self._progress = progress
        folder.drop_half_line()
        self._recorded = {(row.trial, row.epochs): row for row in folder.rows()}

    def perform(
        self,
        candidate: Candidate,
        *,
        trial: int,
        bracket: int,
        round: int,
        from_epoch: int,
        epochs: int,
    ) -> TrialRecord:
        """Trains a candidate up to a number of epochs, unless the folder says how that went."""
        job = self._job(candidate, trial, bracket, round, from_epoch, epochs)
        row = self._recalled(job)
        if row is None:
            self._tell("begins", job, None)
            self.folder.write_candidate(job)
            row = TrialRecord.of(job, self._runner(job))
            self.folder.append(row)
            self._count(job, row)
            self._tell("ends", job, row)
        else:
            self._count(job, row)
            self._tell("recalled", job, row)
        return row

    def _job(
        self,
        candidate: Candidate,
        trial: int,
        bracket: int,
        round_: int,
        from_epoch: int,
        epochs: int,
    ) -> TrialJob:
        name = f"{self.setup.search.name}-{trial:04d}"
        architecture = self.setup.space.spec(candidate).model_copy(update={"name": name})
        price = self.setup.judge.verdict(candidate).cost
        assert price is not None, "only feasible candidates are proposed"
        changes = self.setup.space.changes(candidate)
        return TrialJob(trial, bracket, round_, from_epoch, epochs, changes, architecture, price)

    def _recalled(self, job: TrialJob) -> TrialRecord | None:
        row = self._recorded.get((job.trial, job.epochs))
        if row is not None and not row.is_of(job):
            raise UserError(
                "the log of trials is not of this search",
                where=str(self.folder.path / "trials.jsonl"),
                expected=f"trial {job.trial} with {dict(job.changes)}",
                found=f"trial {row.trial} with {dict(row.changes)}",
                hint="choose another folder with -o",
            )
        return row

    def _count(self, job: TrialJob, row: TrialRecord) -> None:
        self.rows.append(row)
        best = best_of(self.rows)
        if best is not self.best and best is not None:
            self.best = best
            self.best_architecture = _as_best(self.setup.search, job.architecture, best)
            self.folder.write_best(self.best_architecture, best)

    def _tell(
        self, kind: Literal["begins", "ends", "recalled"], job: TrialJob, row: TrialRecord | None
    ) -> None:
        if self._progress is not None:
            done, planned = len(self.rows), self.setup.planned
            self._progress(Event(kind, job, row, done, planned, self.best))


def _as_best(search: Search, architecture: Architecture, row: TrialRecord) -> Architecture:
    """The architecture of a trial under a name of its own, saying where it comes from."""
    return architecture.model_copy(
        update={
            "name": f"{search.name}-best",
            "title": f"Best of the search {search.name}",
            "source": f"reszoo tune {search.name}, seed {search.seed}, trial {row.trial}",
        }
    )
