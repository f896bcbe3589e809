"""Oracles of keras-tuner (1.4.8, frozen upstream), with their defects repaired.

Only this file and `bayesian.py` import keras-tuner, which imports TensorFlow. Each repair has a
test in tests/tuning/test_keras_oracles.py:

- a candidate above a limit is redrawn before it becomes a trial, so it uses up no trial, takes no
  place in a Hyperband bracket and cannot end the search (keras-tuner's `max_model_size` does);
- `seed=0` is a seed, and neighbouring seeds do not draw the same candidates one after the other;
- small spaces are searched to the last candidate, not until 20 draws in a row were repeated;
- a failed trial never ends the search; in Hyperband, the best of the others are promoted instead;
- a Hyperband search whose space is exhausted still promotes the candidates that it has;
- all brackets of Hyperband run at once, and a rung begins when the one before it has ended: asked
  for several trials, keras-tuner opens the next bracket and loses promotions;
- nothing is saved here, so nothing can be left unfinished: proposals are a function of the search,
  its seed and its results, and the results are in the search folder.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import keras_tuner
    from keras_tuner.engine.trial import TrialStatus

from reszoo.tuning.constraints import nothing_feasible
from reszoo.tuning.hyperband import DEFAULT_FACTOR
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.space import Candidate
from reszoo.tuning.strategies.trial_jobs import RungStep, trial_job
from reszoo.tuning.trial_log import TrialJob, TrialRecord

OBJECTIVE = "val_accuracy"
_IDLE = {"status": TrialStatus.IDLE, "values": None}
_STOPPED = {"status": TrialStatus.STOPPED, "values": None}


class FeasibleOracle(keras_tuner.Oracle):
    """Base of the oracles: it draws feasible candidates and keeps no state on disk."""

    def __init__(self, resolved: ResolvedSearch, **options: Any) -> None:
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "max"),
            hyperparameters=_hyperparameters(resolved),
            allow_new_entries=False,
            tune_new_entries=False,
            max_retries_per_trial=0,
            max_consecutive_failed_trials=sys.maxsize,
            **options,
        )
        # The base class replaces a seed of 0 by a random number.
        self.seed = self._seed_state = resolved.search.seed
        self.verbose = 0
        self._resolved = resolved
        self._sampler = resolved.sampler()

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""
        return self._sampler.rejected

    def _random_values(self) -> dict[str, Any] | None:
        candidate = self._sampler.draw()
        if candidate is None:
            if not self.trials:
                search, constraints = self._resolved.search, self._resolved.constraints
                raise nothing_feasible(search, constraints, self._sampler.drawn_of_more)
            return None
        return self._values(candidate)

    def candidate_of(self, trial: Any) -> Candidate:
        """Returns the candidate of a trial."""
        return self._candidate(trial.hyperparameters.values)

    def _candidate(self, values: Mapping[str, Any]) -> Candidate:
        return tuple(values[axis.name] for axis in self._resolved.space.dimensions)

    def _values(self, candidate: Candidate) -> dict[str, Any]:
        names = (dimension.name for dimension in self._resolved.space.dimensions)
        return dict(zip(names, candidate, strict=True))

    def save(self) -> None:
        """Saves nothing: the results are in the search folder."""

    def _save_trial(self, trial: Any) -> None:
        """Saves nothing, as `save`."""


class RandomOracle(FeasibleOracle, keras_tuner.oracles.RandomSearchOracle):
    """Random search over feasible candidates."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        super().__init__(resolved, max_trials=resolved.planned)


@dataclass(frozen=True, slots=True)
class _Promotion:
    """Where a trial of Hyperband stands."""

    place: tuple[int, ...]
    rung: RungStep
    parent: str | None
    """The trial that it resumes."""


class HyperbandOracle(FeasibleOracle, keras_tuner.oracles.HyperbandOracle):
    """Hyperband over feasible candidates (Li 2018), with all brackets at once.

    Candidates are drawn in the order of the brackets, which no result changes. One worker finishes
    a bracket before the next; several begin with the new candidates of all brackets, which have the
    most epochs before them and keep the workers busy while a rung ends.
    """

    def __init__(self, resolved: ResolvedSearch, workers: int) -> None:
        super().__init__(
            resolved,
            max_epochs=resolved.max_epochs,
            factor=resolved.search.strategy.factor or DEFAULT_FACTOR,
            hyperband_iterations=resolved.iterations,
        )
        self._several = workers > 1
        self._exhausted = False
        self.promotions: dict[str, _Promotion] = {}
        """By the id of each trial."""
        for _ in range(resolved.iterations * (self._current_bracket + 1) - 1):
            self._increment_bracket_num()
            self._start_new_bracket()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial: a new candidate, or one that is promoted."""
        steps = (self._new_candidate, self._promote)
        brackets = list(enumerate(self._brackets))
        order: Iterable[tuple[Any, tuple[int, Any]]] = itertools.product(steps, brackets)
        if not self._several:
            order = ((step, bracket) for bracket in brackets for step in steps)
        for step, (number, bracket) in order:
            values = step(trial_id, number, bracket)
            if values is not None:
                return {"status": TrialStatus.RUNNING, "values": values}
        return _IDLE if self.ongoing_trials else _STOPPED

    def _new_candidate(
        self, trial_id: str, number: int, bracket: dict[str, Any]
    ) -> dict[str, Any] | None:
        if self._exhausted or len(bracket["rounds"][0]) >= self._get_size(
            bracket["bracket_num"], 0
        ):
            return None
        values = self._random_values()
        if values is None:
            self._exhausted = True
            return None
        self._place(trial_id, number, bracket, 0, parent=None)
        return values

    def _promote(
        self, trial_id: str, number: int, bracket: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Returns the best candidate that the next round has room for and does not have yet."""
        rounds = bracket["rounds"]
        for round_ in range(1, len(rounds)):
            past = [self.trials[info["id"]] for info in rounds[round_ - 1]]
            if any(trial.status == TrialStatus.RUNNING for trial in past):
                return None
            promoted = {info["past_id"] for info in rounds[round_]}
            waiting = [
                trial
                for trial in past
                if trial.status == TrialStatus.COMPLETED and trial.trial_id not in promoted
            ]
            if waiting and len(rounds[round_]) < self._get_size(bracket["bracket_num"], round_):
                # The earlier trial among equals: `max` keeps the first.
                best = max(waiting, key=lambda trial: trial.score)
                self._place(trial_id, number, bracket, round_, parent=best.trial_id)
                return dict(best.hyperparameters.values)
        return None

    def _place(
        self, trial_id: str, number: int, bracket: dict[str, Any], round_: int, parent: str | None
    ) -> None:
        bracket_num, infos = bracket["bracket_num"], bracket["rounds"][round_]
        rung = RungStep(
            bracket_num,
            round_,
            self._get_epochs(bracket_num, round_ - 1) if round_ else 0,
            self._get_epochs(bracket_num, round_),
        )
        self.promotions[trial_id] = _Promotion((number, round_, len(infos)), rung, parent)
        infos.append({"past_id": parent, "id": trial_id})


class OracleProposer:
    """A strategy that an oracle of keras-tuner proposes for."""

    def __init__(self, resolved: ResolvedSearch, workers: int = 1) -> None:
        self._resolved = resolved
        self._oracle: FeasibleOracle
        if resolved.search.strategy.kind == "hyperband":
            self._oracle = HyperbandOracle(resolved, workers)
        else:
            self._oracle = RandomOracle(resolved)
        self._numbers: dict[str, int] = {}
        self._ongoing: dict[tuple[int, ...], Any] = {}

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""
        return self._oracle.rejected

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs, fewer where they depend on results to come."""
        jobs: list[TrialJob] = []
        while len(jobs) < room and (job := self._next()) is not None:
            jobs.append(job)
        return jobs

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes the result of a job."""
        end_trial(self._oracle, self._ongoing.pop(job.order), record)

    def _next(self) -> TrialJob | None:
        with quiet():
            # An id of its own for each: the oracle gives a trial that runs to the same id again.
            trial = self._oracle.create_trial(f"job {len(self._oracle.trials)}")
        if trial.status != TrialStatus.RUNNING:
            return None
        candidate = self._oracle.candidate_of(trial)
        promotion = None
        if isinstance(self._oracle, HyperbandOracle):
            promotion = self._oracle.promotions[trial.trial_id]
        parent = promotion.parent if promotion else None
        new = len(set(self._numbers.values())) + 1
        number = self._numbers[trial.trial_id] = new if parent is None else self._numbers[parent]
        place = promotion.place if promotion else (0, number)
        rung = promotion.rung if promotion else None
        job = trial_job(self._resolved, candidate, number, place, rung)
        self._ongoing[job.order] = trial
        return job


def _hyperparameters(resolved: ResolvedSearch) -> keras_tuner.HyperParameters:
    """Returns one choice per dimension, of the index of its value: values may be lists."""
    hyperparameters = keras_tuner.HyperParameters()
    for dimension in resolved.space.dimensions:
        hyperparameters.Choice(dimension.name, list(range(len(dimension.choices))))
    return hyperparameters


def end_trial(oracle: FeasibleOracle, trial: Any, record: TrialRecord) -> None:
    """Tells an oracle how a trial ended."""
    with quiet():
        if record.val_accuracy is None:
            trial.status, trial.message = TrialStatus.FAILED, record.message
        else:
            oracle.update_trial(trial.trial_id, {OBJECTIVE: record.val_accuracy})
            trial.status = TrialStatus.COMPLETED
        oracle.end_trial(trial)


def quiet() -> warnings.catch_warnings:
    """Hides the deprecation warnings of keras-tuner's own code."""
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)
