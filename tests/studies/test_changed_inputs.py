"""Which inputs a study with trained runs may have: more networks and seeds, nothing else."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.studies.changed_inputs import refuse_other_inputs

BEFORE = {
    "networks": [{"name": "a", "classes": 10}, {"name": "b", "classes": 10}],
    "data": "digits",
    "recipe": {"name": "short", "epochs": 2, "schedule": {"peak": 0.1}},
    "seeds": 2,
    "run": "runs/a",
}


def changed(**inputs):
    return {**BEFORE, **inputs}


@pytest.mark.parametrize(
    "now",
    [
        BEFORE,
        changed(networks=[{"name": "c"}, *BEFORE["networks"]]),
        changed(seeds=3),
        changed(run="elsewhere/a"),
    ],
)
def test_more_networks_more_seeds_and_a_run_that_has_moved_are_taken(tmp_path, now):
    refuse_other_inputs(tmp_path, BEFORE, now)


@pytest.mark.parametrize(
    ("now", "expected", "found", "hint"),
    [
        (
            changed(recipe={**BEFORE["recipe"], "epochs": 3}),
            "recipe.epochs 2",
            "recipe.epochs 3",
            "--epochs 2 goes on with them; otherwise choose another folder with -o",
        ),
        (
            changed(seeds=1, data="folder:x"),
            "data digits, seeds 2",
            "data folder:x, seeds 1",
            "--data digits --seeds 2 goes on with them; otherwise choose another folder with -o",
        ),
        (
            changed(recipe={**BEFORE["recipe"], "schedule": {"peak": 0.2}}),
            "recipe.schedule.peak 0.1",
            "recipe.schedule.peak 0.2",
            "choose another folder with -o",
        ),
        (
            changed(networks=[{"name": "b", "classes": 10}]),
            "a as before, beside any others",
            "b",
            "name them too, or choose another folder with -o",
        ),
    ],
)
def test_other_inputs_are_refused_with_both_and_the_way_on(tmp_path, now, expected, found, hint):
    with pytest.raises(UserError) as error:
        refuse_other_inputs(tmp_path, BEFORE, now)
    assert (error.value.expected, error.value.found, error.value.hint) == (expected, found, hint)


def test_long_values_are_cut(tmp_path):
    before, now = ({"base": {"name": name, "stages": [{"depth": 1}] * 9}} for name in "ab")
    now["base"]["stages"] = before["base"]["stages"][1:]
    with pytest.raises(UserError) as error:
        refuse_other_inputs(tmp_path, before, now)
    assert error.value.expected == "base.name a, base.stages ..."
