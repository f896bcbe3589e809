"""Bayesian optimization by keras-tuner's oracle, in batches and over feasible candidates.

Its Gaussian process and its handling of trials that are still trained are keras-tuner's. Where that
optimizes the acquisition over the continuous cube, and so proposes candidates above a limit or a
second time, the candidate is chosen here from a pool of feasible ones.
"""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import TrialStatus
from sklearn.exceptions import ConvergenceWarning

from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.sampling import CandidateSampler
from reszoo.tuning.space import Candidate
from reszoo.tuning.strategies.batching import BatchedJobs
from reszoo.tuning.strategies.keras_oracles import FeasibleOracle, end_trial, quiet
from reszoo.tuning.strategies.trial_jobs import trial_job
from reszoo.tuning.trial_log import TrialJob, TrialRecord

POOL = 1_000
"""Number of candidates among which the next one is chosen."""

_NOISE = 0.1
"""Variance of an accuracy between trainings, as a part of that between candidates."""

_RESTARTS = 2
"""Restarts of the fit, of which the upstream default of 20 takes seconds."""


class BayesianOracle(FeasibleOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """Chooses the candidate of the pool with the best upper confidence bound."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        super().__init__(
            resolved,
            max_trials=resolved.planned,
            num_initial_points=len(resolved.space.dimensions) + 1,
            alpha=_NOISE,
        )
        self.gpr = self._make_gpr().set_params(n_restarts_optimizer=_RESTARTS)
        self._pool: list[Candidate] | None = None
        self._rejected: Counter[str] = Counter()

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""
        return super().rejected + self._rejected

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial: a random draw at first, then the best of the pool.

        Falls back to a random draw where no candidate of the pool is left.
        """
        completed = [one for one in self.trials.values() if one.status == TrialStatus.COMPLETED]
        values = None
        all_recorded = len(self.trials) >= self._resolved.recorded
        if all_recorded and len(completed) >= self.num_initial_points:
            values = self._best_of_pool()
        while values is None and (values := self._random_values()) is not None:
            if self._candidate(values) in self._tried():
                values = None
        if values is None:
            return {"status": TrialStatus.STOPPED, "values": None}
        return {"status": TrialStatus.RUNNING, "values": values}

    def _best_of_pool(self) -> dict[str, Any] | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.gpr.fit(*self._vectorize_trials())
        tried = self._tried()
        pool = [candidate for candidate in self._candidates() if candidate not in tried]
        if not pool:
            return None
        points = np.array([self._point(candidate) for candidate in pool])
        mean, deviation = self.gpr.predict(points, return_std=True)
        # The oracle minimizes the negative accuracy.
        for index in np.argsort(mean - self.beta * deviation, kind="stable"):
            candidate = pool[index]
            violations = self._resolved.violations(candidate)
            if not violations:
                return self._values(candidate)
            self._rejected.update(violations.keys())
            self._candidates().remove(candidate)
        return None

    def _candidates(self) -> list[Candidate]:
        """Returns the pool, drawn by the plan alone: measuring takes seconds."""
        if self._pool is None:
            resolved = self._resolved
            sampler = CandidateSampler(
                resolved.constraints, resolved.search.seed, resolved.initial_candidates
            )
            self._pool = list(itertools.islice(iter(sampler.draw, None), POOL))
        return self._pool

    def _tried(self) -> set[Candidate]:
        return {self._candidate(trial.hyperparameters.values) for trial in self.trials.values()}

    def _point(self, candidate: Candidate) -> list[float]:
        """Returns a candidate in the unit cube."""
        axes = zip(self.hyperparameters.space, candidate, strict=True)
        return [axis.value_to_prob(index) for axis, index in axes]


class BayesianProposer:
    """Proposes batches, each from the results of those before."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        self._resolved = resolved
        self._oracle = BayesianOracle(resolved)
        self._batches = BatchedJobs(resolved, self._propose)
        self._ongoing: dict[tuple[int, ...], Any] = {}

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""
        return self._oracle.rejected

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs, none while another batch is trained."""
        return self._batches.ask(room)

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes the result of a job."""
        end_trial(self._oracle, self._ongoing.pop(job.order), record)
        self._batches.tell(job)

    def _propose(self, number: int, place: tuple[int, ...]) -> TrialJob | None:
        with quiet():
            trial = self._oracle.create_trial(f"job {number}")
        if trial.status != TrialStatus.RUNNING:
            return None
        candidate = self._oracle.candidate_of(trial)
        job = trial_job(self._resolved, candidate, number, place)
        self._ongoing[job.order] = trial
        return job
