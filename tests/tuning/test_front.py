"""The best trial and the front, by one objective or several."""

from __future__ import annotations

import pytest

from reszoo import spec
from reszoo.tuning.front import best_of, front_of, ranked
from reszoo.tuning.trial_log import TrialRecord
from tests.tuning.searches import SEARCH, write
from tests.tuning.test_search_run import ShuffledEngine, files_of, search

BOTH = {"val_accuracy": "max", "macs": "min"}


def _record(trial, accuracy, macs, epochs=4, **fields) -> TrialRecord:
    state = "finished" if accuracy is not None else "failed"
    return TrialRecord(trial, 0, 0, epochs, state, accuracy, {}, {"macs": macs}, **fields)


RECORDS = [
    _record(1, 0.9, 100),
    _record(2, 0.8, 50),
    _record(3, 0.8, 60),
    _record(4, None, 1),
    _record(5, 0.99, 10, epochs=1),
    _record(6, 0.95, 400),
    _record(7, 1.0, 1, kind="reference"),
]


def test_the_front_holds_what_no_other_trial_beats():
    assert [record.trial for record in front_of(RECORDS, BOTH)] == [6, 1, 2]
    assert front_of([], BOTH) == []
    assert front_of([RECORDS[3]], BOTH) == []


@pytest.mark.parametrize(
    ("goals", "best"), [(BOTH, 6), ({"macs": "min", "val_accuracy": "max"}, 2)]
)
def test_the_first_objective_names_the_best(goals, best):
    assert best_of(RECORDS, goals).trial == best
    assert ranked(RECORDS, goals)[0].trial == best
    assert ranked(RECORDS, goals)[-1].state == "failed"


def test_equal_trials_are_all_on_the_front():
    records = [_record(1, 0.9, 100), _record(2, 0.9, 100)]
    assert [record.trial for record in front_of(records, BOTH)] == [1, 2]


def test_the_front_is_in_the_folder(tmp_path):
    text = SEARCH.replace("{kind: random, trials: 6", "{kind: grid, trials: 20")
    file = write(tmp_path, text + "objectives: {macs: min, val_accuracy: max}\n")
    run = search(file, tmp_path / "serial", ShuffledEngine(1))
    names = {f"{record.trial:04d}.yaml" for record in run.front}
    assert {path.name for path in (tmp_path / "serial" / "pareto").iterdir()} == names
    assert 1 < len(names) < 20
    for name in names:
        network = spec.load(tmp_path / "serial" / "pareto" / name)
        assert network == spec.load(tmp_path / "serial" / "candidates" / name)
    cheapest = min(run.records, key=lambda record: record.cost["macs"])
    assert run.best.cost["macs"] == cheapest.cost["macs"]
    search(file, tmp_path / "parallel", ShuffledEngine(7))
    assert files_of(tmp_path / "parallel") == files_of(tmp_path / "serial")
