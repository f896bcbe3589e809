"""Each mistake in a search is one message with its place, found before anything is spent."""

from __future__ import annotations

import pytest

from reszoo.errors import Place, UserError
from reszoo.training.jobs import ray_cluster
from reszoo.tuning.preview import preview
from reszoo.tuning.tune import tune
from tests.tuning.searches import BASE, with_space, write

DEPTH = "stages[*].depth: {choices: [1, 2]}"


def _refused(tmp_path, search: str) -> UserError:
    with pytest.raises(UserError) as caught:
        preview(write(tmp_path, search))
    return caught.value


@pytest.mark.parametrize(
    ("line", "column", "what", "told"),
    [
        (
            "stages[*].depht: {choices: [1]}",
            20,
            "'stages[*].depht' is not a path in the base",
            "did you mean 'depth'",
        ),
        (
            "stagse[*].depth: {choices: [1]}",
            20,
            "is not a path in the base",
            "did you mean 'stages'",
        ),
        (
            "stages[7].depth: {choices: [1]}",
            20,
            "is not a path in the base",
            "stages[0] to stages[2]",
        ),
        ("block[*].kernel: {choices: [1]}", 20, "block is not a list", ""),
        ("classes: {choices: [2, 3]}", 12, "cannot be searched", "comes from the data"),
        ("name: {choices: [a, b]}", 9, "cannot be searched", "named after their search"),
        ("stages[*].depth: {choices: []}", 30, "stages[*].depth", "at least 1"),
        ("stages[*].depth: {choices: [1, 0]}", 34, "stages[*].depth cannot be 0", "at least 1"),
        ("stages[*].depth: {choices: [two]}", 31, "cannot be 'two'", "a whole number"),
        (
            "block.connection: {choices: [residual, highwya]}",
            42,
            "block.connection cannot be 'highwya'",
            "did you mean 'highway'?",
        ),
        ("stages[*].depth: {min: 3, max: 1}", 20, "stages[*].depth", "a min that is not above max"),
        ("stages[*].depth: {min: 3}", 20, "stages[*].depth", "a range with both min and max"),
        ("stages[*].depth: {min: 1, max: 9999}", 20, "stages[*].depth", "at most 1000 values"),
        ("stages[*].depth: {max: 2, choices: [1]}", 20, "stages[*].depth", "one of: choices"),
        ("stages[*].depth: {from: 1, to: 2}", 21, "from", ""),
        ("stages[*].depth: {log: [4, 2]}", 20, "stages[*].depth", "write `log: [2, 4]`"),
        ("stages[*].depth: {log: [2, 2]}", 20, "stages[*].depth", "write `choices: [2]`"),
        ("stages[*].depth: {log: [2]}", 26, "log", "at least 2"),
        ("stages[*].depth: {log: [0, 2]}", 27, "log", "above 0"),
        ("stages[*].depth: {choices: [1], values: 2}", 20, "stages[*].depth", "belong to log"),
        ("stages[*].depth: {log: [1, 2], values: 1}", 42, "values", "at least 2"),
        ("stages[each].depth: {choices: [1], order: falling}", 45, "order", "rising"),
        ("stages[*].depth: {choices: [1], order: rising}", 3, "space", "write [each]"),
        ("stem.filters, recipe.batch: {choices: [8]}", 3, "stem.filters", "a line for each"),
        ("stages[*].width: {multiply: [0]}", 32, "multiply", "above 0"),
        ("block.connection: {multiply: [2]}", 32, "cannot be multiplied", "choices: [...]"),
        ("stages[*.depth: {choices: [1]}", 3, "stages[*.depth", "a path into a spec"),
        ("stages[*].after[*].x: {choices: [1]}", 3, "stages[*].after[*].x", "one [*] or [each]"),
        (
            "stem.filters, stages[each].width: {choices: [4]}",
            3,
            "stem.filters",
            "a path of its own",
        ),
    ],
)
def test_a_mistake_in_the_space_is_named_with_its_place(tmp_path, line, column, what, told):
    error = _refused(tmp_path, with_space(line))
    assert what in error.what
    assert told in str(error)
    assert error.where == Place(str(tmp_path / "search.yaml"), 5, column)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("field", "value", "column", "told"),
    [
        ("limits", "{weights: 10}", 10, "weights"),
        ("limits", "{parameters: -5}", 22, "above 0"),
        ("strategy", "{kind: hyperband, trials: 5}", 11, "plans its own trials"),
        ("strategy", "{kind: random, factor: 3}", 11, "of kind: hyperband"),
        ("strategy", "{kind: hyperband, factor: 1}", 37, "at least 2"),
        ("strategy", "bayes", 11, "bayesian"),
        ("strategy", "{kind: grid, batch: 3}", 11, "of kind: bayesian or tpe or pareto"),
        ("strategy", "{kind: list, trials: 3}", 11, "no trials, an option of kind: random"),
        ("strategy", "list", 11, "candidates under `start_from:`"),
        ("strategy", "pareto", 11, "add `objectives: {val_accuracy: max, macs: min}`"),
        ("strategy", "{kind: tpe, batch: 0}", 30, "at least 1"),
        ("limits", "{macs: [1, 2, 3]}", 16, "a range [LEAST, MOST] of two"),
        ("limits", "{macs: [2.0e+6, 1.0e+6]}", 16, "write `[1e+06, 2e+06]`"),
        ("limits", "{macs: [0, 1.0e+6]}", 16, "above 0"),
        ("limits", "{macs: yes}", 16, "without quotes or units"),
        ("limits", "{macs: 1M}", 16, "without quotes or units"),
        ("limits", "{latency_ms: -1}", 22, "above 0"),
        ("limits", "{target: 3}", 18, "text"),
        ("limits", "{macs: " + "9" * 400 + "}", 16, "remove the limit"),
        ("objectives", "{val_accuracy: max, size: min}", 13, "latency_ms"),
        ("objectives", "{macs: min}", 13, "add `val_accuracy: max`"),
        ("objectives", "{val_accuracy: min}", 13, "write `val_accuracy: max`"),
        ("objectives", "{val_accuracy: max, macs: low}", 39, "min"),
        ("confirm", "{best: 0}", 17, "at least 1"),
        ("constraints", "sum(stages[*].depth) > 3", 14, "a list"),
        ("objective", "test_accuracy", 12, "val_accuracy"),
        ("validation", "0", 13, "above 0"),
        ("seed", "-1", 7, "at least 0"),
        ("base_spec", "tiny", 1, "base"),
        ("start_from", "[resnet8_digitz]", 14, "resnet8_digits"),
        ("start_from", "[resnet8_digits]", 14, "it differs from the base in"),
        ("start_from", '[{"stages[*].depht": 1}]', 14, "did you mean 'stages[*].depth'?"),
        ("start_from", '[{"stages[*].depth": 9}]', 14, "it has stages[*].depth = 9"),
        ("start_from", "[{}]", 14, "leaves it at stages[*].depth = [1, 2, 1]"),
        ("recipe_overrides", "{schedule.peek: 1}", 19, "did you mean 'peak' or"),
        ("recipe_overrides", "{validation.fraction: 0}", None, "holds out no images"),
    ],
)
def test_a_mistake_in_another_field_is_named_with_its_place(tmp_path, field, value, column, told):
    error = _refused(tmp_path, with_space(DEPTH, **{field: value}))
    assert told in str(error)
    if column is not None:
        assert error.where == Place(str(tmp_path / "search.yaml"), 4, column)


def test_an_unknown_base_is_named_with_the_nearest_ones(tmp_path):
    error = _refused(tmp_path, with_space(DEPTH).replace("base.yaml", "resnet20s"))
    assert "resnet20" in (error.hint or "")
    assert error.where == Place(str(tmp_path / "search.yaml"), 2, 7)


def test_a_mistake_in_the_base_has_the_place_in_the_base(tmp_path):
    file = write(tmp_path, with_space(DEPTH), BASE.replace("depth: 2", "depth: none"))
    with pytest.raises(UserError) as caught:
        preview(file)
    assert caught.value.where == Place(str(tmp_path / "base.yaml"), 7, 13)


def test_an_unknown_recipe_is_named(tmp_path):
    error = _refused(tmp_path, with_space(DEPTH).replace("short8", "short9"))
    assert "short8" in str(error)
    assert error.where == Place(str(tmp_path / "search.yaml"), 3, 9)


def test_both_spellings_of_the_objectives_are_refused(tmp_path):
    fields = {"objective": "val_accuracy", "objectives": "{val_accuracy: max, macs: min}"}
    error = _refused(tmp_path, with_space(DEPTH, **fields))
    assert error.hint == "remove `objective`"
    assert error.where == Place(str(tmp_path / "search.yaml"), 4, 12)


def test_epochs_given_twice_are_refused(tmp_path):
    fields = {"recipe_overrides": "{epochs: 5}", "strategy": "{max_epochs: 4}"}
    error = _refused(tmp_path, with_space(DEPTH, **fields))
    assert "given twice" in error.what
    assert error.where == Place(str(tmp_path / "search.yaml"), 5, 24)


def test_one_field_in_two_paths_is_refused(tmp_path):
    lines = ("stages[*].width: {multiply: [1, 2]}", "stages[1].width: {choices: [3]}")
    error = _refused(tmp_path, with_space(*lines))
    assert "both set stages[1].width" in error.what
    assert error.where == Place(str(tmp_path / "search.yaml"), 6, 20)


def test_a_field_inside_another_is_refused(tmp_path):
    lines = ("block.norm: {choices: [batch, none]}", "block.norm.epsilon: {choices: [0.1]}")
    assert "both set block.norm.epsilon" in _refused(tmp_path, with_space(*lines)).what


def test_limits_that_nothing_meets_say_how_small_it_gets(tmp_path):
    limits = "{parameters: 100, macs: 1.0e+6}"
    error = _refused(tmp_path, with_space(DEPTH, limits=limits))
    smallest = preview(write(tmp_path, with_space("stages[*].depth: {choices: [1]}"))).smallest
    assert error.what.startswith("no feasible candidate in the space; the smallest costs")
    assert f"{smallest.cost.parameters:,} parameters (limit 100)" in error.what
    assert error.where == Place(str(tmp_path / "search.yaml"), 4, 9)


def test_choices_that_never_go_together_are_explained(tmp_path):
    error = _refused(tmp_path, with_space("block.shortcut: {choices: [identity]}"))
    assert "the choices are incompatible" in error.what
    assert error.found


def test_nothing_feasible_ends_a_search_before_a_trial_exists(tmp_path):
    file = write(tmp_path, with_space(DEPTH, limits="{parameters: 100}"))
    with pytest.raises(UserError, match="no feasible candidate"):
        tune(file, out=tmp_path / "out", runner=lambda job: pytest.fail("a trial was trained"))


def test_data_without_a_name_are_refused(tmp_path):
    with pytest.raises(UserError, match="the name of its data"):
        tune(write(tmp_path, with_space(DEPTH)), ([], []))  # type: ignore[arg-type]


def test_a_cluster_without_room_is_refused_before_a_folder_is_made(tmp_path, monkeypatch):
    node = {
        "NodeManagerHostname": "host1",
        "NodeManagerAddress": "10.0.0.1",
        "Resources": {"CPU": 4.0, "memory": 8 * 1024.0**3},
    }
    monkeypatch.setattr(ray_cluster, "require_ray", lambda: None)
    monkeypatch.setattr(ray_cluster, "connect", lambda address: None)
    monkeypatch.setattr(ray_cluster, "alive_nodes", lambda ray: [node])
    search = write(tmp_path, with_space(DEPTH))
    with pytest.raises(UserError, match="no node of the Ray cluster"):
        tune(search, "digits", out=tmp_path / "s", ray="auto", per_trial="cpus=8")
    assert not (tmp_path / "s").exists()
