"""Engines of trials: jobs as training tasks on an engine, or performed by a function."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from reszoo.training.jobs.task import DataArguments, Engine, JobOutcome, TrainingTask
from reszoo.tuning.further_jobs import seed_of
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.trial_log import TrialJob

Runner = Callable[[TrialJob], JobOutcome]
"""Trains or resumes a job and returns its outcome; it raises KeyboardInterrupt when stopped."""


class TrialEngine(Protocol):
    """Performs jobs, several at a time, and returns their outcomes in any order."""

    @property
    def workers(self) -> int:
        """Number of jobs that are performed at the same time."""

    def submit(self, key: int, job: TrialJob) -> None:
        """Queues a job under a key of the caller's."""

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Returns the key and the outcome of the next job to end; None if none has in time."""

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns the last epoch of each job that runs and has one."""

    def stop(self) -> None:
        """Stops all jobs, each of which saves its checkpoint."""


class TaskEngine:
    """Trains each job in the run folder of its trial, as a task of an engine of processes."""

    def __init__(
        self, engine: Engine, folder: SearchFolder, resolved: ResolvedSearch, data: DataArguments
    ) -> None:
        self.workers = engine.workers
        self._engine = engine
        self._folder = folder
        self._resolved = resolved
        self._data = data

    def submit(self, key: int, job: TrialJob) -> None:
        """Queues a job under a key of the caller's."""
        task = TrainingTask(
            architecture=self._folder.write_candidate(job),
            recipe=self._folder.write_recipe(job),
            data=self._data,
            seed=seed_of(self._resolved.search.seed, job.repeat, job.kind),
            epochs=job.epochs,
            run=self._folder.run_of(job),
            log=self._folder.log_of(job),
            test=job.kind == "retrain",
        )
        self._engine.submit(key, task)

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Returns the key and the outcome of the next job to end; None if none has in time."""
        return self._engine.wait(seconds)

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns the last epoch of each job that runs and has one."""
        return self._engine.progress()

    def stop(self) -> None:
        """Stops all jobs, each of which saves its checkpoint."""
        self._engine.stop()


class RunnerEngine:
    """Performs jobs one after the other by a function."""

    workers = 1

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._jobs: deque[tuple[int, TrialJob]] = deque()

    def submit(self, key: int, job: TrialJob) -> None:
        """Queues a job under a key of the caller's."""
        self._jobs.append((key, job))

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Performs the next job."""
        key, job = self._jobs.popleft()
        return key, self._runner(job)

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns nothing: no job runs meanwhile."""
        return {}

    def stop(self) -> None:
        """Forgets the queued jobs."""
        self._jobs.clear()
