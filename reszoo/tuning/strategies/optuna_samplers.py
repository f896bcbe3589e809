"""Samplers of Optuna: TPE, and NSGA-II for several objectives.

No other file imports Optuna, which the extra `optuna` installs. The study is in memory: a search
that is resumed asks for the same batches again and tells the recorded results.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from reszoo.tuning.front import objective_values
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.space import Candidate
from reszoo.tuning.strategies.batching import BatchedJobs
from reszoo.tuning.strategies.trial_jobs import trial_job
from reszoo.tuning.trial_log import TrialJob, TrialRecord

_MAX_REDRAWS = 12
"""This many proposals in a row that are infeasible or known are followed by a random draw."""


class OptunaProposer:
    """Proposes batches by a sampler of Optuna, over the indices of the choices."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        self._resolved = resolved
        self._sampler = resolved.sampler()
        self._rejected: Counter[str] = Counter()
        self._proposed: dict[Candidate, None] = {}
        self._ongoing: dict[tuple[int, ...], Any] = {}
        self._study = _study(resolved)
        self._batches = BatchedJobs(resolved, self._propose)

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""
        return self._sampler.rejected + self._rejected

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs, none while another batch is trained."""
        return self._batches.ask(room)

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes the result of a job."""
        trial = self._ongoing.pop(job.order)
        if record.val_accuracy is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, objective_values(record, self._resolved.search.goals))
        self._batches.tell(job)

    def _propose(self, trial: int, place: tuple[int, ...]) -> TrialJob | None:
        pair = self._initial() or self._sampled() or self._drawn()
        if pair is None:
            return None
        candidate, asked = pair
        self._proposed[candidate] = None
        job = trial_job(self._resolved, candidate, trial, place)
        self._ongoing[job.order] = asked
        return job

    def _initial(self) -> tuple[Candidate, Any] | None:
        for candidate in self._resolved.initial_candidates:
            if candidate not in self._proposed and not self._resolved.violations(candidate):
                return candidate, self._ask_for(candidate)
        return None

    def _sampled(self) -> tuple[Candidate, Any] | None:
        for _ in range(_MAX_REDRAWS):
            asked = self._study.ask()
            candidate = self._suggest(asked)
            violations = self._resolved.violations(candidate)
            if candidate not in self._proposed and not violations:
                return candidate, asked
            if candidate not in self._proposed:
                self._rejected.update(violations.keys())
            self._study.tell(asked, state=TrialState.FAIL)
        return None

    def _drawn(self) -> tuple[Candidate, Any] | None:
        while (candidate := self._sampler.draw()) is not None:
            if candidate not in self._proposed:
                return candidate, self._ask_for(candidate)
        return None

    def _ask_for(self, candidate: Candidate) -> Any:
        """Returns a trial of the study with these values."""
        names = (dimension.name for dimension in self._resolved.space.dimensions)
        self._study.enqueue_trial(dict(zip(names, candidate, strict=True)))
        asked = self._study.ask()
        self._suggest(asked)
        return asked

    def _suggest(self, asked: Any) -> Candidate:
        return tuple(
            asked.suggest_int(dimension.name, 0, len(dimension.choices) - 1)
            for dimension in self._resolved.space.dimensions
        )


def _study(resolved: ResolvedSearch) -> Any:
    search, batch = resolved.search, resolved.batch
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler: optuna.samplers.BaseSampler
        if search.strategy.kind == "pareto":
            sampler = optuna.samplers.NSGAIISampler(seed=search.seed, population_size=2 * batch)
        else:
            sampler = optuna.samplers.TPESampler(
                seed=search.seed, multivariate=True, constant_liar=True, n_startup_trials=2 * batch
            )
    words = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
    directions = [words[direction] for direction in search.goals.values()]
    return optuna.create_study(directions=directions, sampler=sampler)
