from __future__ import annotations

import pytest

from reszoo import spec
from tests.spec.files import write

SEARCH = """\
name: small
base: resnet8_digits
space:
  stages[*].depth: {min: 1, max: 3}
"""


def _load(tmp_path, text: str):
    return spec.load_search(write(tmp_path, "small.yaml", text))


def test_a_limit_is_a_number_or_a_range(tmp_path):
    limits = _load(tmp_path, SEARCH + "limits: {macs: [1.0e+6, 2000000], parameters: 5}\n").limits
    assert limits.macs == (1e6, 2e6)
    assert limits.parameters == 5.0


def test_the_short_form_is_the_default_objective(tmp_path):
    default, short = _load(tmp_path, SEARCH), _load(tmp_path, SEARCH + "objective: val_accuracy\n")
    assert default == short
    assert default.goals == {"val_accuracy": "max"}


def test_the_first_of_several_objectives_is_the_first_written(tmp_path):
    search = _load(tmp_path, SEARCH + "objectives: {macs: min, val_accuracy: max}\n")
    assert list(search.goals) == ["macs", "val_accuracy"]
    assert search.objective is None


def test_what_is_left_out_has_defaults(tmp_path):
    search = _load(tmp_path, SEARCH)
    assert (search.confirm, search.constraints, search.references) == (None, (), ())
    search = _load(tmp_path, SEARCH + "confirm: {}\n")
    assert search.confirm is not None
    assert (search.confirm.best, search.confirm.seeds) == (3, 2)


@pytest.mark.parametrize(
    "further",
    [
        "limits: {macs: [1.0e+6, 2.0e+6], target: microcontroller, latency_ms: 4}\n",
        "objectives: {val_accuracy: max, macs: min}\nstrategy: {kind: pareto, batch: 8}\n",
        "confirm: {best: 2}\nreferences: [resnet8]\n",
        'constraints: ["sum(stages[*].depth) >= 5"]\n',
        "strategy: list\nstart_from: [resnet8_digits]\n",
    ],
)
def test_every_field_survives_being_written_and_read(tmp_path, further):
    search = _load(tmp_path, SEARCH + further)
    assert _load(tmp_path, spec.to_yaml(search)) == search


def test_values_and_orders_survive_being_written_and_read(tmp_path):
    space = "  recipe.schedule.peak: {log: [0.01, 0.1], values: 3}\n"
    space += "  stages[each].width: {choices: [4, 8], order: rising}\n"
    search = _load(tmp_path, SEARCH + space)
    assert _load(tmp_path, spec.to_yaml(search)) == search
