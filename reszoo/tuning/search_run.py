"""One pass through a search: each job is recalled from the folder, or trained and recorded."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.events import NOTICE_SECONDS, Event, EventHandler, EventKind
from reszoo.tuning.front import best_of, front_of, ranked
from reszoo.tuning.further_jobs import (
    FixedJobs,
    WithReferences,
    best_by_mean,
    confirming_jobs,
    mean_accuracies,
    reference_jobs,
)
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.searched_paths import same
from reszoo.tuning.strategies import Proposer
from reszoo.tuning.trial_engine import TrialEngine
from reszoo.tuning.trial_log import Key, TrialJob, TrialRecord, TrialTiming


class SearchRun:
    """Performs the jobs of a strategy, as many at a time as the engine has workers.

    A resumed search asks for the same jobs from the first one on and gets the recorded answers, so
    the strategy keeps no state on disk that could be damaged. Results reach the strategy, and the
    log of trials its final order, by the order of asking: neither depends on which worker was
    faster.
    """

    def __init__(
        self,
        resolved: ResolvedSearch,
        folder: SearchFolder,
        engine: TrialEngine,
        progress: EventHandler | None = None,
        notice_seconds: float = NOTICE_SECONDS,
    ) -> None:
        self.resolved = resolved
        self.folder = folder
        self.best: TrialRecord | None = None
        self.best_architecture: Architecture | None = None
        self._engine = engine
        self._progress = progress
        self._notice_seconds = notice_seconds
        self._running: dict[int, TrialJob] = {}
        self._asked: dict[Key, TrialJob] = {}
        self._records: dict[Key, TrialRecord] = {}
        self._begun = time.monotonic()
        self._trained = 0
        """Epochs of the trainings that have ended since then."""
        self._untold: defaultdict[tuple[int, ...], deque[TrialJob]] = defaultdict(deque)
        """By rung or batch, the jobs whose results the strategy does not know yet."""
        folder.repair_log()
        self._recorded = {record.key: record for record in folder.records()}
        self._logged = list(self._recorded)
        """The keys of the log, in its order."""

    @property
    def workers(self) -> int:
        """Number of trainings at the same time."""
        return self._engine.workers

    @property
    def records(self) -> list[TrialRecord]:
        """The records so far, in the order of asking."""
        jobs = sorted(self._asked.values(), key=lambda job: job.order)
        return [self._records[job.key] for job in jobs if job.key in self._records]

    def run(self, proposer: Proposer) -> None:
        """Performs the jobs of a strategy until it has no more, and then those beside it.

        Raises whatever the engine raises, after all other jobs were stopped.
        """
        references = reference_jobs(self.resolved)
        try:
            self._perform(WithReferences(proposer, references))
            self._perform(FixedJobs(self._confirming_jobs()))
        except BaseException:
            self._engine.stop()
            raise
        self._sort_log()
        if means := self.means:
            winner = best_by_mean(self.ranking, means)
            self._name_best(winner, means[winner.trial])
        self.folder.write_front({record.trial: self._asked[record.key] for record in self.front})

    @property
    def ranking(self) -> list[TrialRecord]:
        """The last record of each trial, best first by its own training."""
        return ranked(self.records, self.resolved.search.goals)

    @property
    def means(self) -> dict[int, float]:
        """The mean accuracy over all seeds of each trial that was confirmed, by its number."""
        return mean_accuracies(self.records)

    @property
    def front(self) -> list[TrialRecord]:
        """The trials that no other beats in all objectives; none for a single objective."""
        return front_of(self.records, self.resolved.search.goals)

    def job_of(self, record: TrialRecord) -> TrialJob:
        """Returns the job of a record."""
        return self._asked[record.key]

    def _confirming_jobs(self) -> list[TrialJob]:
        asked = {job.trial: job for job in self._asked.values() if job.kind == "trial"}
        return confirming_jobs(self.resolved, self.ranking, asked)

    def _perform(self, proposer: Proposer) -> None:
        while True:
            while (room := self._engine.workers - len(self._running)) > 0:
                jobs = proposer.ask(room)
                for job in jobs:
                    self._untold[job.group].append(job)
                    self._begin(job)
                self._tell(proposer)
                if not jobs:
                    break
            if not self._running:
                return
            if (ended := self._engine.wait(self._notice_seconds)) is None:
                self._notify_of_running()
                continue
            number, outcome = ended
            self._end(self._running.pop(number), outcome)
            self._tell(proposer)

    def _begin(self, job: TrialJob) -> None:
        """Recalls the record of a job, or gives the job to the engine."""
        record = self._recall(job)
        number = len(self._asked)
        self._asked[job.key] = job
        if record is not None:
            self._add(job, record)
            self._notify("recalled", job, record)
            return
        self._notify("begins", job, None)
        self.folder.write_candidate(job)
        self.folder.write_recipe(job)
        self._running[number] = job
        self._engine.submit(number, job)

    def _end(self, job: TrialJob, outcome: JobOutcome) -> None:
        record = TrialRecord.of(job, outcome)
        self._trained += job.epochs - job.from_epoch
        self.folder.append(record)
        self.folder.append_timing(TrialTiming.of(job, outcome))
        self._logged.append(record.key)
        self._add(job, record)
        self._notify("ends", job, record)

    def _tell(self, proposer: Proposer) -> None:
        """Tells the strategy what has ended, within each group in the order of asking."""
        for group, jobs in list(self._untold.items()):
            while jobs and jobs[0].key in self._records:
                job = jobs.popleft()
                proposer.tell(job, self._records[job.key])
            if not jobs:
                del self._untold[group]
                self._sort_log()

    def _sort_log(self) -> None:
        """Puts the log into the order of asking; rows not asked for again come last."""
        jobs = sorted(self._asked.values(), key=lambda job: job.order)
        recorded = set(self._logged)
        keys = [job.key for job in jobs if job.key in recorded]
        keys += [key for key in self._logged if key not in self._asked]
        if keys != self._logged:
            self.folder.sort_log(keys)
            self._logged = keys

    def _recall(self, job: TrialJob) -> TrialRecord | None:
        record = self._recorded.get(job.key)
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
        self._records[job.key] = record
        goals = self.resolved.search.goals
        best = best_of([self.best, record] if self.best else [record], goals)
        if best is not self.best and best is not None:
            self._name_best(best)

    def _name_best(self, best: TrialRecord, mean: float | None = None) -> None:
        """Makes a trial the best one and writes its network; `mean` is that over all its seeds."""
        job = self._asked[best.key]
        self.best = best
        self.best_architecture = _rename_best(self.resolved.search, job.architecture, best)
        self.folder.write_best(self.best_architecture, best, mean)
        self.folder.write_best_recipe(job.recipe)

    def _notify_of_running(self) -> None:
        epochs = self._engine.progress()
        trained = sum(
            int(epochs[number].get("epoch", 0)) - job.from_epoch
            for number, job in self._running.items()
            if number in epochs
        )
        left = self._seconds_left(trained)
        for number, job in self._running.items():
            self._notify("trains", job, None, epochs.get(number), left)

    def _seconds_left(self, running: int) -> float | None:
        """Returns the time left; `running` epochs have been trained by what still trains."""
        trained = self._trained + running
        if trained <= 0:
            return None
        done = sum(job.epochs - job.from_epoch for job in self._asked.values()) - sum(
            job.epochs - job.from_epoch for job in self._running.values()
        )
        left = max(0, self.resolved.planned_epochs - done - running)
        return (time.monotonic() - self._begun) / trained * left

    def _notify(
        self,
        kind: EventKind,
        job: TrialJob,
        record: TrialRecord | None,
        epoch: Mapping[str, Any] | None = None,
        left: float | None = None,
    ) -> None:
        if self._progress is not None:
            done, planned = len(self._records), self.resolved.planned_trainings
            self._progress(Event(kind, job, record, done, planned, self.best, epoch, left))


def _rename_best(search: Search, architecture: Architecture, best: TrialRecord) -> Architecture:
    """Returns the architecture of the best trial under a name of its own, with its source."""
    return architecture.model_copy(
        update={
            "name": f"{search.name}-best",
            "title": f"Best of the search {search.name}",
            "source": f"reszoo tune {search.name}, seed {search.seed}, trial {best.trial}",
        }
    )
