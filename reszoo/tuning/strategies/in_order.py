"""Strategies without results: the candidates of a grid or a list, in the order of the page."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from reszoo.tuning.constraints import nothing_feasible
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.space import Candidate
from reszoo.tuning.strategies.trial_jobs import trial_job
from reszoo.tuning.trial_log import TrialJob, TrialRecord


class InOrderProposer:
    """Proposes feasible candidates in the order of the page, after those of `start_from`."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        self._resolved = resolved
        self.rejected: Counter[str] = Counter()
        """Number of candidates that each limit turned away before they became trials."""
        feasible = enumerate(self._feasible(), 1)
        self._numbered = itertools.islice(feasible, resolved.planned)
        self._proposed = 0

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs."""
        jobs = [
            trial_job(self._resolved, candidate, trial, (0, trial))
            for trial, candidate in itertools.islice(self._numbered, room)
        ]
        self._proposed += len(jobs)
        if not self._proposed:
            raise nothing_feasible(self._resolved.search, self._resolved.constraints)
        return jobs

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes a result, which changes nothing."""

    def _feasible(self) -> Iterator[Candidate]:
        for candidate in self._candidates():
            violations = self._resolved.violations(candidate)
            self.rejected.update(violations.keys())
            if not violations:
                yield candidate

    def _candidates(self) -> Iterator[Candidate]:
        initial = dict.fromkeys(self._resolved.initial_candidates)
        yield from initial
        if self._resolved.search.strategy.kind == "grid":
            combinations = self._resolved.constraints.combinations
            numbers = combinations.listed
            ordered = range(combinations.size) if numbers is None else numbers
            grid = map(combinations.candidate, ordered)
            yield from (candidate for candidate in grid if candidate not in initial)
