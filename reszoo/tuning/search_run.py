"""One pass through a search: each job is recalled from the folder, or trained and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.space import Candidate, same
from reszoo.tuning.trial_log import Outcome, TrialJob, TrialRecord, best_of

Runner = Callable[[TrialJob], Outcome]
"""Trains or resumes a job and returns its outcome; it raises KeyboardInterrupt when stopped."""


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of a search."""

    kind: Literal["begins", "ends", "recalled"]
    """A training begins or ends, or its record is from before the search was stopped."""
    job: TrialJob
    record: TrialRecord | None
    """The record of the training; None when it begins."""
    done: int
    """Number of trainings done, this one included once it has ended."""
    planned: int
    """Number of trainings of the search, in a space that is large enough."""
    best: TrialRecord | None
    """The best so far."""


class SearchRun:
    """Performs the jobs of a strategy, in its order.

    A resumed search asks for the same jobs from the first one on and gets the recorded answers, so
    the strategy keeps no state on disk that could be damaged.
    """

    def __init__(
        self,
        resolved: ResolvedSearch,
        folder: SearchFolder,
        runner: Runner,
        progress: Callable[[Event], None] | None = None,
    ) -> None:
        self.resolved = resolved
        self.folder = folder
        self.records: list[TrialRecord] = []
        self.best: TrialRecord | None = None
        self.best_architecture: Architecture | None = None
        self._runner = runner
        self._progress = progress
        folder.repair_log()
        self._recorded = {(record.trial, record.epochs): record for record in folder.records()}

    def job(self, candidate: Candidate, trial: int, **rung: int) -> TrialJob:
        """Returns the job of a candidate: `rung` is its bracket, round, from_epoch and epochs."""
        name = f"{self.resolved.search.name}-{trial:04d}"
        architecture = self.resolved.space.spec(candidate).model_copy(update={"name": name})
        price = self.resolved.constraints.check(candidate).cost
        assert price is not None, "only feasible candidates are proposed"
        changes = self.resolved.space.changes(candidate)
        return TrialJob(trial, **rung, changes=changes, architecture=architecture, cost=price)

    def perform(self, job: TrialJob) -> TrialRecord:
        """Performs a job, unless the folder has a record of it."""
        record = self._recall(job)
        if record is not None:
            self._add(job, record)
            self._notify("recalled", job, record)
            return record
        self._notify("begins", job, None)
        self.folder.write_candidate(job)
        record = TrialRecord.of(job, self._runner(job))
        self.folder.append(record)
        self._add(job, record)
        self._notify("ends", job, record)
        return record

    def _recall(self, job: TrialJob) -> TrialRecord | None:
        record = self._recorded.get((job.trial, job.epochs))
        if record is not None and not same(record.changes, job.changes):
            raise UserError(
                "the log of trials belongs to another search",
                where=str(self.folder.trial_log),
                expected=f"trial {job.trial} with {dict(job.changes)}",
                found=f"trial {record.trial} with {dict(record.changes)}",
                hint="choose another folder with -o",
            )
        return record

    def _add(self, job: TrialJob, record: TrialRecord) -> None:
        self.records.append(record)
        best = best_of(self.records)
        if best is not self.best and best is not None:
            self.best = best
            self.best_architecture = _rename_best(self.resolved.search, job.architecture, best)
            self.folder.write_best(self.best_architecture, best)

    def _notify(
        self, kind: Literal["begins", "ends", "recalled"], job: TrialJob, record: TrialRecord | None
    ) -> None:
        if self._progress is not None:
            done, planned = len(self.records), self.resolved.planned
            self._progress(Event(kind, job, record, done, planned, self.best))


def _rename_best(search: Search, architecture: Architecture, best: TrialRecord) -> Architecture:
    """Returns the architecture of the best trial under a name of its own, with its source."""
    return architecture.model_copy(
        update={
            "name": f"{search.name}-best",
            "title": f"Best of the search {search.name}",
            "source": f"reszoo tune {search.name}, seed {search.seed}, trial {best.trial}",
        }
    )
