"""Oracles and tuner of keras-tuner (1.4.8, frozen upstream), with its defects repaired.

No other file imports keras-tuner. Each repair has a test in tests/tuning/test_tuner.py:

- a candidate above a limit is redrawn before it becomes a trial, so it uses up no trial, takes no
  place in a Hyperband bracket and cannot end the search (keras-tuner's `max_model_size` does);
- `seed=0` is a seed, and neighbouring seeds do not draw the same candidates one after the other;
- small spaces are searched to the last candidate, not until 20 draws in a row were repeated;
- a failed trial never ends the search; in Hyperband, the best of the others are promoted instead;
- a Hyperband search whose space is exhausted still promotes the candidates that it has;
- nothing is saved here, so nothing can be left unfinished: proposals are a function of the search,
  its seed and its results, and the results are in the search folder;
- no model is built in the constructor or in this process, and tensorboard is not needed.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import keras_tuner
    from keras_tuner.engine.trial import TrialStatus

from reszoo.tuning.constraints import nothing_feasible
from reszoo.tuning.hyperband import DEFAULT_FACTOR
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.space import Candidate

OBJECTIVE = "val_accuracy"
_EPOCHS, _FROM, _PARENT = "tuner/epochs", "tuner/initial_epoch", "tuner/trial_id"
_BRACKET, _ROUND = "tuner/bracket", "tuner/round"


class _Oracle(keras_tuner.Oracle):
    """Base of both strategies: it draws feasible candidates and keeps no state on disk."""

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
        names = (dimension.name for dimension in self._resolved.space.dimensions)
        return dict(zip(names, candidate, strict=True))

    def save(self) -> None:
        """Saves nothing: the results are in the search folder."""

    def _save_trial(self, trial: Any) -> None:
        """Saves nothing, as `save`."""


class RandomOracle(_Oracle, keras_tuner.oracles.RandomSearchOracle):
    """Random search over feasible candidates."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        super().__init__(resolved, max_trials=resolved.planned)


class HyperbandOracle(_Oracle, keras_tuner.oracles.HyperbandOracle):
    """Hyperband over feasible candidates (Li 2018), with brackets that survive failed trials."""

    def __init__(self, resolved: ResolvedSearch) -> None:
        super().__init__(
            resolved,
            max_epochs=resolved.max_epochs,
            factor=resolved.search.strategy.factor or DEFAULT_FACTOR,
            hyperband_iterations=resolved.iterations,
        )
        self._exhausted = False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial: a new candidate, or one that is promoted."""
        while True:
            bracket = self._brackets[-1]
            proposal = self._new_candidate(trial_id, bracket) or self._promote(trial_id, bracket)
            if proposal is not None:
                return proposal
            if self._exhausted or self._is_last_bracket:
                return {"status": TrialStatus.STOPPED, "values": None}
            self._increment_bracket_num()
            self._start_new_bracket()

    @property
    def _is_last_bracket(self) -> bool:
        last_iteration = self._current_iteration + 1 == self.hyperband_iterations
        return self._current_bracket == 0 and last_iteration

    def _new_candidate(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any] | None:
        number, first = bracket["bracket_num"], bracket["rounds"][0]
        if self._exhausted or len(first) >= self._get_size(number, 0):
            return None
        values = self._random_values()
        if values is None:
            self._exhausted = True
            return None
        first.append({"past_id": None, "id": trial_id})
        return self._proposal(values, number, 0)

    def _promote(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the best candidate that the next round has room for and does not have yet."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        for round_ in range(1, len(rounds)):
            promoted = {info["past_id"] for info in rounds[round_]}
            past = [self.trials[info["id"]] for info in rounds[round_ - 1]]
            waiting = [
                trial
                for trial in past
                if trial.status == TrialStatus.COMPLETED and trial.trial_id not in promoted
            ]
            if waiting and len(rounds[round_]) < self._get_size(number, round_):
                # The earlier trial among equals: `max` keeps the first.
                best = max(waiting, key=lambda trial: trial.score)
                rounds[round_].append({"past_id": best.trial_id, "id": trial_id})
                values = {**best.hyperparameters.values, _PARENT: best.trial_id}
                return self._proposal(values, number, round_)
        return None

    def _proposal(self, values: dict[str, Any], bracket: int, round_: int) -> dict[str, Any]:
        values |= {
            _EPOCHS: self._get_epochs(bracket, round_),
            _FROM: self._get_epochs(bracket, round_ - 1) if round_ else 0,
            _BRACKET: bracket,
            _ROUND: round_,
        }
        return {"status": TrialStatus.RUNNING, "values": values}


class ChildTuner(keras_tuner.Tuner):
    """A tuner whose trials a `SearchRun` performs: recalled, or trained in a child process."""

    def __init__(self, resolved: ResolvedSearch, search_run: SearchRun) -> None:
        self._resolved = resolved
        self._search_run = search_run
        self._numbers: dict[str, int] = {}
        hyperband = resolved.search.strategy.kind == "hyperband"
        oracle = HyperbandOracle(resolved) if hyperband else RandomOracle(resolved)
        super().__init__(
            oracle, hypermodel=None, directory=str(search_run.folder.path), project_name="."
        )

    def search(self) -> None:
        """Runs trials until the strategy has no more."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            super().search()

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Performs a trial and returns its objective; raises FailedTrialError if training fails."""
        values = trial.hyperparameters.values
        names = (dimension.name for dimension in self._resolved.space.dimensions)
        candidate: Candidate = tuple(values[name] for name in names)
        job = self._search_run.job(
            candidate,
            self._number_of(trial),
            bracket=values.get(_BRACKET, 0),
            round=values.get(_ROUND, 0),
            from_epoch=values.get(_FROM, 0),
            epochs=values.get(_EPOCHS, self._resolved.max_epochs),
        )
        record = self._search_run.perform(job)
        if record.val_accuracy is None:
            raise keras_tuner.errors.FailedTrialError(record.message)
        return {OBJECTIVE: record.val_accuracy}

    def save(self) -> None:
        """Saves nothing: the results are in the search folder."""

    def _number_of(self, trial: Any) -> int:
        """Returns the number of a new candidate, or that of the trial that this one resumes."""
        parent = trial.hyperparameters.values.get(_PARENT)
        new = len(set(self._numbers.values())) + 1
        number = new if parent is None else self._numbers[parent]
        self._numbers[trial.trial_id] = number
        return number

    def _try_run_and_update_trial(self, trial: Any, *arguments: Any, **options: Any) -> None:
        """Overrides the base class so that only a failed training is a failed trial.

        The base class takes every exception for one, a full disk and a bug included.
        """
        try:
            self._run_and_update_trial(trial, *arguments, **options)
            trial.status = TrialStatus.COMPLETED
        except keras_tuner.errors.FailedTrialError as error:
            trial.status = TrialStatus.FAILED
            trial.message = str(error)

    def _configure_tensorboard_dir(self, *arguments: Any, **options: Any) -> None:
        """Does nothing; the base class imports tensorboard, which may not be installed."""

    def _get_tuner_fname(self) -> str:
        # The constructor reloads this file where it exists; it never does.
        return str(Path(self.directory) / "no-tuner-state.json")


def _hyperparameters(resolved: ResolvedSearch) -> keras_tuner.HyperParameters:
    """Returns one choice per dimension, of the index of its value: values may be lists."""
    hyperparameters = keras_tuner.HyperParameters()
    for dimension in resolved.space.dimensions:
        hyperparameters.Choice(dimension.name, list(range(len(dimension.choices))))
    return hyperparameters
