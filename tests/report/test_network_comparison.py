"""Networks side by side: `reszoo show A B`."""

import json

import pytest

from reszoo.errors import UserError
from reszoo.report.network_comparison import (
    compared_network,
    comparison_json,
    comparison_text,
    differing_fields,
)
from tests.report.sample_runs import finished_run
from tests.spec.test_saved_spec import saved

TWINS = ("resnet14_digits", "highway14_digits")


def row(text, name):
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return line.removeprefix(name).split()


def test_twins_differ_in_one_field():
    twins = [compared_network(name) for name in TWINS]
    assert differing_fields(twins) == {"block.connection": ("residual", "highway")}
    text = comparison_text(twins)
    assert row(text, "depth") == ["14", "14"]
    assert row(text, "parameters") == ["43,490", "62,034"]
    assert row(text, "block.connection") == ["residual", "highway"]
    assert "accuracy" not in text  # neither is a run


def test_a_field_that_a_network_lacks_has_no_value():
    fields = differing_fields([compared_network("resnet20"), compared_network("resnet50")])
    assert fields["stages[3].depth"] == (None, 3)
    assert fields["input.shape"] == ([32, 32, 3], [224, 224, 3])
    assert not {"name", "title", "source", "published.where"} & set(fields)


def test_a_run_brings_its_accuracy(tmp_path):
    run = finished_run(tmp_path / "run", accuracy=0.9)
    compared = [compared_network(str(run.path)), compared_network("resnet20")]
    text = comparison_text(compared)
    assert row(text, "accuracy") == ["90.00", "%", "-"]
    assert row(text, "seed") == ["1", "-"]
    values = json.loads(json.dumps(comparison_json(compared)))
    assert values["networks"][0]["run"]["accuracy"] == 0.9
    assert values["networks"][1]["run"] is None
    assert values["networks"][1]["parameters"] == 269_722


def test_equal_networks_are_said_to_be_equal():
    assert comparison_text([compared_network("resnet20")] * 2).endswith("the same network.")


def test_overrides_change_every_network():
    twins = [compared_network(name, ["block.connection=plain"]) for name in TWINS]
    assert differing_fields(twins) == {}


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError):
        compared_network(str(tmp_path))


def test_a_saved_network_is_shown_by_the_spec_in_it(tmp_path):
    file = saved(tmp_path / "pruned.keras", "extends: resnet14_digits\nname: resnet8_digits\n")
    compared = [compared_network(file), compared_network("resnet14_digits")]
    assert row(comparison_text(compared), "depth") == ["14", "14"]
    assert compared[0].run is None
