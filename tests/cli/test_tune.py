"""`reszoo tune`: the plan of a search, and words that do not go together."""

from __future__ import annotations

import shlex
import sys

import pytest

from reszoo import spec
from reszoo.cli.program import full_parser
from reszoo.report.search_summary import result_text
from reszoo.tuning import measured_limits
from reszoo.tuning.tune import tune
from tests.cli.conftest import call, refused
from tests.tuning.searches import SEARCH, Trainings, write


def test_measuring_belongs_to_the_plan():
    refused(call("tune", "digits_tiny", "--measure"), "--measure", "add --plan")


def test_a_plan_starts_no_process_for_limits_that_need_none(monkeypatch):
    monkeypatch.setattr(measured_limits, "start_worker", None)
    before = "tensorflow" in sys.modules
    result = call("tune", "digits_tiny", "--plan")
    assert result.code == 0
    assert "measur" not in result.out + result.err
    assert ("tensorflow" in sys.modules) == before


def test_a_plan_ends_with_the_command_that_searches(tmp_path):
    page = write(tmp_path / "my search", SEARCH.replace("random", "grid"))
    result = call("tune", "--plan", page, "--set", "strategy.trials=2")
    command = shlex.split(result.out.splitlines()[-1])
    assert command[:2] == ["next", "reszoo"]
    options = full_parser().parse_args(command[2:])
    assert (options.search, options.plan) == (str(page), False)
    assert options.overrides == ["strategy.trials=2"]


def test_a_missing_teacher_is_told_by_the_plan():
    result = call("tune", "digits_tiny", "--plan", "--teacher", "gone")
    refused(result, "there is no run folder or model gone", "`reszoo train` makes a run")


def test_a_missing_reference_is_told_by_the_plan(tmp_path):
    page = write(tmp_path, SEARCH + "references: [resnet8_digitz]\n")
    refused(call("tune", page, "--plan"), "resnet8_digitz", "did you mean 'resnet8_digits'")


def test_a_target_that_does_not_exist_has_its_place(tmp_path):
    result = call("tune", "digits_tiny", "--set", "limits.target=microcontroler-64k", "--plan")
    refused(result, "microcontroler-64k", "did you mean")


def test_seeds_belong_to_the_retraining():
    refused(call("tune", "digits_tiny", "--seeds", "3"), "--seeds", "add --retrain")


@pytest.mark.parametrize("option", ["--retrain", "--extend"])
@pytest.mark.parametrize("looks", ["--plan", "--show"])
def test_looking_trains_nothing(looks, option):
    result = call("tune", "digits_tiny", looks, option)
    refused(result, option, f"leave out {looks} or {option}")


def test_the_next_lines_are_commands_with_the_searched_recipe(tmp_path):
    text = SEARCH.replace("random", "grid").replace(
        "space:", "space:\n  recipe.schedule.peak: {choices: [0.001, 0.01]}"
    )
    data = "folder:my photos"
    out = tmp_path / "a search"
    result = tune(write(tmp_path, text), data, out=out, runner=Trainings())
    lines = result_text(result).splitlines()
    train, retrain = (shlex.split(line.strip().removeprefix("next")) for line in lines[-2:])
    parser = full_parser()
    options = parser.parse_args(train[1:])
    recipe = spec.load_recipe(options.recipe)
    peak = result.best.changes["recipe.schedule.peak"]
    assert (train[0], recipe.schedule.peak) == ("reszoo", peak)
    assert (options.spec, options.data) == (str(out / "best.yaml"), data)
    assert any(
        line.split() == ["its", "recipe", *f"{options.recipe}: recipe.schedule.peak={peak}".split()]
        for line in lines
    )
    options = parser.parse_args(retrain[1:])
    assert (options.search, options.out) == (
        str(out / "search.yaml"),
        str(out),
    )
    assert (options.retrain, options.seeds, options.data) == (1, 3, data)


def test_the_command_hands_its_options_on(tmp_path, monkeypatch):
    given = {}

    def stop(search, data, **options):
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("reszoo.tuning.tune.tune", stop)
    page = write(tmp_path, SEARCH.replace("random", "grid"))
    call("tune", page, "--extend", "--retrain", "--seeds", "3")
    assert (given["extend"], given["retrain"], given["seeds"]) == (True, 1, 3)
    call("tune", page, "--retrain", "2")
    assert (given["extend"], given["retrain"], given["seeds"]) == (False, 2, 1)
