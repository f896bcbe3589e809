"""Batches of jobs: proposed as a whole, and never before the results of the batch before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from reszoo.tuning.constraints import nothing_feasible
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.trial_log import TrialJob

Propose = Callable[[int, tuple[int, ...]], TrialJob | None]
"""Returns the job of a trial's number and place; None when there is no other candidate."""


class BatchedJobs:
    """Proposes jobs batch by batch, whatever the number of workers that ask for them."""

    def __init__(self, resolved: ResolvedSearch, propose: Propose) -> None:
        self._resolved = resolved
        self._propose = propose
        self._queue: deque[TrialJob] = deque()
        self._untold: set[tuple[int, ...]] = set()
        self._proposed = 0
        self._batch = 0
        self._exhausted = False

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` jobs of the batch, none while its other jobs are trained."""
        if not self._queue and not self._untold:
            self._fill()
        return [self._queue.popleft() for _ in range(min(room, len(self._queue)))]

    def tell(self, job: TrialJob) -> None:
        """Takes note that the result of a job is known."""
        self._untold.remove(job.order)

    def _fill(self) -> None:
        self._batch += 1
        while len(self._queue) < self._resolved.batch and not self._exhausted:
            trial = self._proposed + 1
            is_planned = trial <= self._resolved.planned
            job = self._propose(trial, (self._batch, trial)) if is_planned else None
            if job is None:
                self._exhausted = True
                break
            self._queue.append(job)
            self._untold.add(job.order)
            self._proposed += 1
        if not self._proposed:
            raise nothing_feasible(self._resolved.search, self._resolved.constraints)
