"""One pass through a search: each job is recalled from the folder, or trained and recorded."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.space import same
from reszoo.tuning.strategies import Proposer
from reszoo.tuning.trial_engine import TrialEngine
from reszoo.tuning.trial_log import Key, TrialJob, TrialRecord, TrialTiming, best_of


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
        progress: Callable[[Event], None] | None = None,
    ) -> None:
        self.resolved = resolved
        self.folder = folder
        self.best: TrialRecord | None = None
        self.best_architecture: Architecture | None = None
        self._engine = engine
        self._progress = progress
        self._running: dict[int, TrialJob] = {}
        self._asked: dict[Key, TrialJob] = {}
        self._records: dict[Key, TrialRecord] = {}
        self._untold: defaultdict[tuple[int, ...], deque[TrialJob]] = defaultdict(deque)
        """By rung or batch, the jobs whose results the strategy does not know yet."""
        folder.repair_log()
        self._recorded = {record.key: record for record in folder.records()}
        self._logged = list(self._recorded)
        """The keys of the log, in its order."""

    @property
    def records(self) -> list[TrialRecord]:
        """The records so far, in the order of asking."""
        jobs = sorted(self._asked.values(), key=lambda job: job.order)
        return [self._records[job.key] for job in jobs if job.key in self._records]

    def run(self, proposer: Proposer) -> None:
        """Performs the jobs of a strategy until it has no more.

        Raises whatever the engine raises, after all other jobs were stopped.
        """
        try:
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
                    break
                if (ended := self._engine.wait()) is not None:
                    number, outcome = ended
                    self._end(self._running.pop(number), outcome)
                    self._tell(proposer)
        except BaseException:
            self._engine.stop()
            raise
        self._sort_log()

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
        self._running[number] = job
        self._engine.submit(number, job)

    def _end(self, job: TrialJob, outcome: JobOutcome) -> None:
        record = TrialRecord.of(job, outcome)
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
        best = best_of([self.best, record] if self.best else [record])
        if best is not self.best and best is not None:
            self.best = best
            self.best_architecture = _rename_best(self.resolved.search, job.architecture, best)
            self.folder.write_best(self.best_architecture, best)

    def _notify(
        self, kind: Literal["begins", "ends", "recalled"], job: TrialJob, record: TrialRecord | None
    ) -> None:
        if self._progress is not None:
            done, planned = len(self._records), self.resolved.planned
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
