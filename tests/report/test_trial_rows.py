import json
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.report.trial_rows import importances, levels, trial_rows

SEARCH = Path(__file__).parents[1] / "fixtures" / "v0_1" / "search"


def trial(number, accuracy, epochs=2, **changes):
    return {
        "trial": number,
        "state": "finished",
        "epochs": epochs,
        "val_accuracy": accuracy,
        "changes": changes,
        "cost": {"macs": 10},
        "message": None,
    }


def write(folder, trials):
    (folder / "trials.jsonl").write_text("".join(json.dumps(each) + "\n" for each in trials))
    return folder


def test_trials_come_best_first_and_their_last_line_counts(tmp_path):
    lines = [trial(1, 0.9, 2), trial(2, 0.5, 2), trial(2, 0.6, 4), trial(3, None)]
    rows = trial_rows(write(tmp_path, lines))
    assert [(row.trial, row.epochs) for row in rows] == [(2, 4), (1, 2), (3, 2)]


def test_a_search_of_version_0_1_is_read():
    best, second = trial_rows(SEARCH)
    assert (best.trial, second.trial) == (2, 1)
    assert best.changes["stages[*].depth"] == "1"
    assert best.cost["parameters"] == 19074


def test_values_are_ordered_as_numbers(tmp_path):
    rows = trial_rows(write(tmp_path, [trial(i, 0.5, depth=d) for i, d in enumerate((10, 9, 2))]))
    assert levels(rows, "depth") == ["2", "9", "10"]


def test_the_field_that_matters_is_the_most_important(tmp_path):
    lines = [trial(i, 0.5 + 0.1 * (i % 4), depth=i % 4, noise=(i * 7) % 5) for i in range(16)]
    values = importances(trial_rows(write(tmp_path, lines)))
    assert list(values) == ["depth", "noise"]
    assert values["depth"] > 10 * abs(values["noise"])


def test_few_trials_have_no_importances(tmp_path):
    rows = trial_rows(write(tmp_path, [trial(i, 0.1 * i, depth=i) for i in range(4)]))
    assert importances(rows) == {}


def test_lines_of_something_else_are_named(tmp_path):
    with pytest.raises(UserError, match="damaged"):
        trial_rows(write(tmp_path, [{"trial": 1}]))
