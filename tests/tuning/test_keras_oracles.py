"""What keras-tuner 1.4.8 gets wrong on this stack, and that our searches do not."""

from __future__ import annotations

import sys

import keras_tuner
import pytest

from reszoo.errors import MachineError, UserError
from reszoo.spec.search_strategy import Strategy
from reszoo.tuning import Outcome
from reszoo.tuning.hyperband import rungs
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.strategies.keras_oracles import HyperbandOracle, RandomOracle
from reszoo.tuning.tune import tune
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, accuracy, with_space, write

RUNGS = [(2, 9, 1), (2, 3, 3), (2, 1, 9), (1, 5, 3), (1, 2, 9), (0, 3, 9)]
"""Of HYPERBAND: bracket, candidates, epochs."""


def _search(tmp_path, text: str, trainings: Trainings):
    return tune(write(tmp_path, text), out=tmp_path / "out", runner=trainings)


def _counts(trainings: Trainings):
    counts: dict[tuple[int, int, int], int] = {}
    for job in trainings.jobs:
        counts[job.bracket, job.round, job.epochs] = (
            counts.get((job.bracket, job.round, job.epochs), 0) + 1
        )
    return [(bracket, count, epochs) for (bracket, _, epochs), count in counts.items()]


def test_a_search_needs_no_tensorboard(tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.plugins", "tensorboard.plugins.hparams"):
        monkeypatch.setitem(sys.modules, name, None)
    result = _search(tmp_path, SEARCH, Trainings())
    assert {record.state for record in result.records} == {"finished"}


@pytest.mark.parametrize("oracle", [RandomOracle, HyperbandOracle])
def test_zero_is_a_seed(tmp_path, oracle):
    text = HYPERBAND if oracle is HyperbandOracle else SEARCH
    arguments = (1,) if oracle is HyperbandOracle else ()
    assert oracle(resolve_search(write(tmp_path, text), seed=0), *arguments).seed == 0


@pytest.mark.parametrize("text", [SEARCH, HYPERBAND])
def test_one_seed_proposes_one_search_and_another_another(tmp_path, text):
    def proposed(seed: int, out: str):
        trainings = Trainings()
        tune(write(tmp_path, text), out=tmp_path / out, seed=seed, runner=trainings)
        return [(dict(job.changes), job.epochs) for job in trainings.jobs]

    first = proposed(0, "a")
    assert proposed(0, "b") == first
    assert proposed(1, "c") != first


def test_costly_candidates_use_up_no_trials_and_end_no_search(tmp_path):
    trainings = Trainings()
    result = _search(tmp_path, SEARCH + "limits: {parameters: 12000}\n", trainings)
    assert len(trainings.jobs) == 6
    assert all(job.cost.parameters <= 12_000 for job in trainings.jobs)
    assert result.rejected["parameters"] > 0


def test_costly_candidates_leave_no_hole_in_a_bracket(tmp_path):
    trainings = Trainings()
    result = _search(tmp_path, HYPERBAND + "limits: {parameters: 14000}\n", trainings)
    assert _counts(trainings) == RUNGS
    assert all(job.cost.parameters <= 14_000 for job in trainings.jobs)
    assert result.rejected["parameters"] > 0


def test_hyperband_runs_the_planned_rungs_with_the_best_of_each(tmp_path):
    trainings = Trainings()
    result = _search(tmp_path, HYPERBAND, trainings)
    assert _counts(trainings) == RUNGS
    by_rung = {}
    for record in result.records:
        by_rung.setdefault((record.bracket, record.round), []).append(record)
    for (bracket, round_), records in by_rung.items():
        if round_ == 0:
            continue
        before = sorted(by_rung[bracket, round_ - 1], key=lambda record: -record.val_accuracy)
        assert [record.trial for record in records] == [
            record.trial for record in before[: len(records)]
        ]
    assert (result.planned, len(result.records)) == (23, 23)


def test_a_promoted_trial_goes_on_with_its_own_run(tmp_path):
    trainings = Trainings()
    _search(tmp_path, HYPERBAND, trainings)
    histories: dict[int, list] = {}
    for job in trainings.jobs:
        histories.setdefault(job.trial, []).append(job)
    assert sorted(histories) == list(range(1, 18))
    for jobs in histories.values():
        assert [job.from_epoch for job in jobs] == [0, *(job.epochs for job in jobs[:-1])]
        assert len({job.architecture for job in jobs}) == 1


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("max_epochs", [1, 4, 9, 10, 16, 27, 81, 100])
def test_the_planned_rungs_are_those_of_keras_tuner(max_epochs, factor):
    theirs = keras_tuner.oracles.HyperbandOracle(
        objective=keras_tuner.Objective("x", "max"), max_epochs=max_epochs, factor=factor
    )
    for rung in rungs(Strategy(kind="hyperband", factor=factor), max_epochs):
        assert rung.candidates == theirs._get_size(rung.bracket, rung.round)
        assert rung.to_epoch == theirs._get_epochs(rung.bracket, rung.round)
        if rung.round:
            assert rung.from_epoch == theirs._get_epochs(rung.bracket, rung.round - 1)


def test_failures_in_a_row_do_not_end_a_search(tmp_path):
    result = _search(tmp_path, SEARCH, Trainings(lambda job: "killed" if job.trial < 6 else None))
    assert [record.state for record in result.records] == ["failed"] * 5 + ["finished"]
    assert result.best.trial == 6


def test_failed_trials_do_not_shrink_the_rounds_after_them(tmp_path):
    trainings = Trainings(lambda job: "out of memory" if job.trial in (1, 2, 3, 5) else None)
    _search(tmp_path, HYPERBAND, trainings)
    assert _counts(trainings) == RUNGS


def test_a_bracket_in_which_all_fail_is_followed_by_the_next(tmp_path):
    trainings = Trainings(lambda job: "no" if job.bracket == 2 else None)
    result = _search(tmp_path, HYPERBAND, trainings)
    assert _counts(trainings) == [RUNGS[0], *RUNGS[3:]]
    assert result.best.bracket in (0, 1)


def test_an_accuracy_that_is_no_number_is_a_failed_trial(tmp_path):
    def run(job):
        return Outcome(float("nan") if job.trial == 2 else 0.5)

    result = tune(write(tmp_path, SEARCH), out=tmp_path / "out", runner=run)
    assert [record.state for record in result.records].count("failed") == 1
    assert result.records[1].message == "val_accuracy is nan"


def test_a_small_space_is_tried_to_the_last_candidate(tmp_path):
    text = with_space(
        "stages[each].depth: {choices: [1, 2]}",
        strategy="{kind: random, trials: 50, max_epochs: 1}",
    )
    trainings = Trainings()
    result = _search(tmp_path, text, trainings)
    assert len({str(job.changes) for job in trainings.jobs}) == len(trainings.jobs) == 8
    assert result.planned == 50


def test_a_space_that_runs_out_still_promotes_what_it_had(tmp_path):
    text = HYPERBAND.replace("block.connection: {choices: [plain, residual, highway]}", "")
    text = text.replace("stages[each].depth: {min: 1, max: 3}", "stages[*].depth: {min: 1, max: 5}")
    trainings = Trainings()
    _search(tmp_path, text, trainings)
    assert _counts(trainings) == [(2, 5, 1), (2, 3, 3), (2, 1, 9)]


def test_iterations_repeat_all_brackets_with_new_candidates(tmp_path):
    text = HYPERBAND.replace("max: 3", "max: 5").replace("factor: 3", "factor: 3, iterations: 2")
    trainings = Trainings()
    _search(tmp_path, text, trainings)
    new = [str(job.changes) for job in trainings.jobs if job.round == 0]
    assert len(trainings.jobs) == 2 * 23
    assert len(set(new)) == len(new) == 2 * 17


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("bug"), MachineError("full")])
def test_what_is_no_failed_training_is_not_swallowed(tmp_path, error):
    def run(job):
        raise error

    with pytest.raises(type(error)):
        tune(write(tmp_path, SEARCH), out=tmp_path / "out", runner=run)
    assert not (tmp_path / "out" / "trials.jsonl").exists()


@pytest.mark.parametrize(
    "name", ["KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"]
)
def test_a_distributed_search_of_keras_tuner_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "chief")
    with pytest.raises(UserError, match="keras-tuner's distributed search") as caught:
        _search(tmp_path, SEARCH, Trainings())
    assert f"unset {name}" in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()
    monkeypatch.delenv(name)
    _search(tmp_path, SEARCH, Trainings())


def test_nothing_of_keras_tuners_is_on_disk_to_be_half_written(tmp_path):
    _search(tmp_path, HYPERBAND, Trainings())
    names = {path.name for path in (tmp_path / "out").rglob("*.json")}
    assert names == {"search.json"}


def test_the_best_is_among_the_longest_trained(tmp_path):
    # Of a schedule that spans all epochs, a high accuracy half-way says little about its end.
    def run(job):
        return Outcome(0.99 if job.epochs == 1 else accuracy(job.changes, job.epochs))

    result = tune(write(tmp_path, HYPERBAND), out=tmp_path / "out", runner=run)
    longest = [record for record in result.records if record.epochs == 9]
    assert result.best == max(longest, key=lambda record: record.val_accuracy)


def test_among_equals_the_cheaper_is_the_best(tmp_path):
    result = tune(write(tmp_path, SEARCH), out=tmp_path / "out", runner=lambda job: Outcome(0.5))
    assert result.best.cost["macs"] == min(record.cost["macs"] for record in result.records)
