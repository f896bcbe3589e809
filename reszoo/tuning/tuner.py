"""The one file that touches keras-tuner (1.4.8, frozen upstream): its oracles and tuner, mended.

What is mended, each with a test in tests/tuning/test_keras_tuner.py:

- a candidate above a limit is redrawn before it becomes a trial, so it uses no trial up, fills no
  place in a Hyperband bracket and cannot end the search (keras-tuner's `max_model_size` does);
- `seed=0` is a seed, and neighbouring seeds do not draw the same candidates one after the other;
- small spaces are searched to the last candidate, not until 20 draws in a row were known;
- a failed trial never ends the search and, in Hyperband, the best of the others go on in its place;
- a Hyperband search whose space runs out still promotes what it has;
- nothing is saved here, so nothing can be half-written: proposals are a function of the search, its
  seed and its results, and the results are in the search folder;
- no model is built in the constructor, none in this process, and tensorboard is not asked for.
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
from reszoo.tuning.hyperband import DEFAULT_FACTOR, iterations_of, trials_of
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.space import Candidate

OBJECTIVE = "val_accuracy"
_EPOCHS, _FROM, _PARENT = "tuner/epochs", "tuner/initial_epoch", "tuner/trial_id"
_BRACKET, _ROUND = "tuner/bracket", "tuner/round"


class _Oracle(keras_tuner.Oracle):
    """What both strategies share: feasible draws, and no state on disk."""

    def __init__(self, setup: ResolvedSearch, **options: Any) -> None:
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "max"),
            hyperparameters=_hyperparameters(setup),
            allow_new_entries=False,
            tune_new_entries=False,
            max_retries_per_trial=0,
            max_consecutive_failed_trials=sys.maxsize,
            **options,
        )
        # The base class takes `seed or a random number`.
        self.seed = self._seed_state = setup.search.seed
        self.verbose = 0
        self._setup = setup
        self._draws = setup.draws()

    @property
    def rejected(self) -> Counter[str]:
        """How many candidates each limit turned away before they were trials."""
        return self._draws.rejected

    def _random_values(self) -> dict[str, Any] | None:
        candidate = self._draws.next()
        if candidate is None:
            if not self.trials:
                raise nothing_feasible(
                    self._setup.search, self._setup.judge, self._draws.drawn_of_more
                )
            return None
        names = (dimension.name for dimension in self._setup.space.dimensions)
        return dict(zip(names, candidate, strict=True))

    def save(self) -> None:
        """Saves nothing: the results are in the search folder."""

    def _save_trial(self, trial: Any) -> None:
        """Saves nothing, as `save`."""


class RandomOracle(_Oracle, keras_tuner.oracles.RandomSearchOracle):
    """Random search over feasible candidates."""

    def __init__(self, setup: ResolvedSearch) -> None:
        super().__init__(setup, max_trials=trials_of(setup.search.strategy))


class HyperbandOracle(_Oracle, keras_tuner.oracles.HyperbandOracle):
    """Hyperband over feasible candidates (Li 2018), with brackets that survive failed trials."""

    def __init__(self, setup: ResolvedSearch) -> None:
        strategy = setup.search.strategy
        super().__init__(
            setup,
            max_epochs=setup.max_epochs,
            factor=strategy.factor or DEFAULT_FACTOR,
            hyperband_iterations=iterations_of(strategy),
        )
        self._space_is_used_up = False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of the next trial: a new candidate, or one that goes on for longer."""
        while True:
            bracket = self._brackets[-1]
            answer = self._new_candidate(trial_id, bracket) or self._promoted(trial_id, bracket)
            if answer is not None:
                return answer
            if self._space_is_used_up or self._was_last_bracket:
                return {"status": TrialStatus.STOPPED, "values": None}
            self._increment_bracket_num()
            self._start_new_bracket()

    @property
    def _was_last_bracket(self) -> bool:
        last_iteration = self._current_iteration + 1 == self.hyperband_iterations
        return self._current_bracket == 0 and last_iteration

    def _new_candidate(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any] | None:
        number, first = bracket["bracket_num"], bracket["rounds"][0]
        if self._space_is_used_up or len(first) >= self._get_size(number, 0):
            return None
        values = self._random_values()
        if values is None:
            self._space_is_used_up = True
            return None
        first.append({"past_id": None, "id": trial_id})
        return self._answer(values, number, 0)

    def _promoted(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any] | None:
        """The best of a round that has not gone on yet, while the next round has room for it."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        for round_ in range(1, len(rounds)):
            gone_on = {info["past_id"] for info in rounds[round_]}
            past = [self.trials[info["id"]] for info in rounds[round_ - 1]]
            waiting = [
                trial
                for trial in past
                if trial.status == TrialStatus.COMPLETED and trial.trial_id not in gone_on
            ]
            if waiting and len(rounds[round_]) < self._get_size(number, round_):
                # The earlier trial among equals: `max` keeps the first.
                best = max(waiting, key=lambda trial: trial.score)
                rounds[round_].append({"past_id": best.trial_id, "id": trial_id})
                values = {**best.hyperparameters.values, _PARENT: best.trial_id}
                return self._answer(values, number, round_)
        return None

    def _answer(self, values: dict[str, Any], bracket: int, round_: int) -> dict[str, Any]:
        values |= {
            _EPOCHS: self._get_epochs(bracket, round_),
            _FROM: self._get_epochs(bracket, round_ - 1) if round_ else 0,
            _BRACKET: bracket,
            _ROUND: round_,
        }
        return {"status": TrialStatus.RUNNING, "values": values}


class ChildTuner(keras_tuner.Tuner):
    """A tuner whose trials are performed by a session: recalled, or trained in a child process."""

    def __init__(self, setup: ResolvedSearch, session: SearchRun) -> None:
        self._setup = setup
        self._session = session
        self._numbers: dict[str, int] = {}
        hyperband = setup.search.strategy.kind == "hyperband"
        oracle = HyperbandOracle(setup) if hyperband else RandomOracle(setup)
        super().__init__(
            oracle, hypermodel=None, directory=str(session.folder.path), project_name="."
        )

    def search(self) -> None:
        """Runs trials until the strategy has no more. Raises what a session raises."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            super().search()

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Performs a trial and returns its objective.

        Raises:
          keras_tuner.errors.FailedTrialError: the training failed; the row says why.
        """
        values = trial.hyperparameters.values
        names = (dimension.name for dimension in self._setup.space.dimensions)
        candidate: Candidate = tuple(values[name] for name in names)
        row = self._session.perform(
            candidate,
            trial=self._number_of(trial),
            bracket=values.get(_BRACKET, 0),
            round=values.get(_ROUND, 0),
            from_epoch=values.get(_FROM, 0),
            epochs=values.get(_EPOCHS, self._setup.max_epochs),
        )
        if row.val_accuracy is None:
            raise keras_tuner.errors.FailedTrialError(row.message)
        return {OBJECTIVE: row.val_accuracy}

    def save(self) -> None:
        """Saves nothing: the results are in the search folder."""

    def _number_of(self, trial: Any) -> int:
        """A new candidate's number, or the one of the trial that it continues."""
        parent = trial.hyperparameters.values.get(_PARENT)
        number = (
            self._numbers[parent] if parent is not None else len(set(self._numbers.values())) + 1
        )
        self._numbers[trial.trial_id] = number
        return number

    def _try_run_and_update_trial(self, trial: Any, *arguments: Any, **options: Any) -> None:
        """As in the base class, but only a failed training is a failed trial.

        The base class makes one of every exception, a full disk and a bug of ours included.
        """
        try:
            self._run_and_update_trial(trial, *arguments, **options)
            trial.status = TrialStatus.COMPLETED
        except keras_tuner.errors.FailedTrialError as error:
            trial.status = TrialStatus.FAILED
            trial.message = str(error)

    def _configure_tensorboard_dir(self, *arguments: Any, **options: Any) -> None:
        """Nothing: the base class imports tensorboard, which need not be installed."""

    def _get_tuner_fname(self) -> str:
        # The constructor reloads this file where it exists; there is none.
        return str(Path(self.directory) / "no-tuner-state.json")


def _hyperparameters(setup: ResolvedSearch) -> keras_tuner.HyperParameters:
    """Each dimension as one choice, by the number of its value: values may be lists."""
    hyperparameters = keras_tuner.HyperParameters()
    for dimension in setup.space.dimensions:
        numbers = list(range(len(dimension.choices)))
        hyperparameters.Choice(dimension.name, numbers)
    return hyperparameters
