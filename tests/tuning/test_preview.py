from __future__ import annotations

import subprocess
import sys

import pytest

from reszoo import spec
from reszoo.data.sources.digits.digits import load_digits
from reszoo.planning.cost import cost
from reszoo.report.search_preview import preview_text
from reszoo.tuning.preview import TRAINING_IMAGES, Preview, preview
from reszoo.tuning.resolved_search import resolve_search
from tests.tuning.searches import HYPERBAND, with_space, write

SPACE = ("stages[each].depth: {min: 1, max: 3}", "stages[*].width: {multiply: [1, 2]}")


def _preview(tmp_path, **fields: str) -> Preview:
    return preview(write(tmp_path, with_space(*SPACE, **fields)))


def test_an_enumerable_space_is_counted_exactly(tmp_path):
    seen = _preview(tmp_path, limits="{parameters: 20000}")
    assert seen.exact
    assert seen.candidates == seen.examined == 3**3 * 2
    assert (
        seen.feasible_candidates == seen.feasible == seen.candidates - seen.violations["parameters"]
    )
    assert 0 < seen.feasible < seen.candidates


def test_costs_range_over_the_feasible_ones_alone(tmp_path):
    seen = _preview(tmp_path, limits="{parameters: 20000}")
    least, most = seen.ranges["parameters"]
    assert least == seen.smallest.cost.parameters
    assert most == seen.largest.cost.parameters <= 20_000
    assert seen.smallest.changes["stages[*].width"] == [4, 8, 16]


def test_a_large_space_is_sampled_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("reszoo.tuning.preview.WEIGHED_WHOLE", 10)
    monkeypatch.setattr("reszoo.tuning.preview.SAMPLE", 27)
    seen = _preview(tmp_path)
    assert not seen.exact
    assert seen.examined == 27
    assert seen.feasible_candidates == 54
    assert seen == _preview(tmp_path)
    text = preview_text(seen)
    assert "27 of them" in text
    assert "smallest of those weighed" in text


def test_each_tenth_of_a_limit_is_counted(tmp_path):
    seen = _preview(tmp_path, limits="{parameters: 20000, macs: 1.0e+9}")
    assert sum(seen.tenths["parameters"]) == seen.feasible
    assert seen.tenths["macs"] == (seen.feasible, *[0] * 9)
    resolved = resolve_search(write(tmp_path, with_space(*SPACE)))
    parameters = [
        cost(resolved.space.spec(resolved.space.candidate(number))).parameters
        for number in range(resolved.space.size)
    ]
    assert seen.tenths["parameters"][9] == sum(18_000 <= n <= 20_000 for n in parameters)


def test_a_lower_bound_is_advised_where_most_candidates_are_small(tmp_path):
    strategy = "{kind: random, trials: 2}"
    seen = _preview(tmp_path, limits="{parameters: 60000}", strategy=strategy)
    name, least = seen.lower_bound
    assert name == "parameters"
    assert f"`limits: {{parameters: [{least:g}, 60000]}}`" in preview_text(seen)
    bounded = _preview(tmp_path, limits=f"{{parameters: [{least}, 60000]}}", strategy=strategy)
    assert bounded.feasible >= 6
    assert bounded.lower_bound is None
    assert _preview(tmp_path, limits="{parameters: 12000}").lower_bound is None


def test_the_difference_that_held_out_images_show_is_told(tmp_path):
    file = write(tmp_path, with_space(*SPACE, validation="0.2"))
    seen = preview(file, data="digits")
    assert seen.held_out == 287
    # 1.96 standard deviations of the difference of two accuracies of 90 %
    assert seen.smallest_difference == pytest.approx(0.0491, abs=1e-4)
    assert "287 images, which show differences above 4.91 points (95 %)" in preview_text(seen)
    assert preview(file, data="folder:photos").held_out is None


def test_the_number_of_training_images_is_that_of_the_data():
    _, _, splits = load_digits()
    assert TRAINING_IMAGES["digits", (8, 8, 1)] == len(splits["train"])


def test_a_long_range_is_printed_by_its_ends(tmp_path):
    for line, text in (
        ("recipe.batch: {min: 1, max: 215}", "1 to 215"),
        ("block.gate.bias: {min: -2, max: 24, step: 2}", "-2 to 24 in steps of 2"),
    ):
        assert text in preview_text(preview(write(tmp_path, with_space(line))))


def test_orders_and_constraints_are_counted(tmp_path):
    lines = ("stages[each].width: {choices: [4, 8, 16], order: rising}",)
    seen = preview(write(tmp_path, with_space(*lines, constraints='["stages[0].width < 16"]')))
    assert (seen.candidates, seen.combinations) == (27, 9)
    assert seen.exact
    assert "that meet the constraints  9" in preview_text(seen)


def test_the_budget_of_hyperband_is_told_rung_by_rung(tmp_path):
    seen = preview(write(tmp_path, HYPERBAND))
    table = [(one.bracket, one.candidates, one.from_epoch, one.to_epoch) for one in seen.rungs]
    assert table == [
        (2, 9, 0, 1),
        (2, 3, 1, 3),
        (2, 1, 3, 9),
        (1, 5, 0, 3),
        (1, 2, 3, 9),
        (0, 3, 0, 9),
    ]
    assert seen.total_epochs == 9 + 3 * 2 + 6 + 5 * 3 + 2 * 6 + 3 * 9
    assert seen.new_candidates == 9 + 5 + 3


def test_the_budget_of_a_random_search_is_one_rung(tmp_path):
    seen = _preview(tmp_path, strategy="{kind: random, trials: 7, max_epochs: 5}")
    assert (seen.new_candidates, seen.total_epochs, seen.max_epochs) == (7, 35, 5)


def test_confirmations_and_references_are_told(tmp_path):
    fields = {"confirm": "{best: 2, seeds: 3}", "references": "[resnet8_digits]"}
    text = preview_text(_preview(tmp_path, strategy="{max_epochs: 5}", **fields))
    assert "the best 2 with 3 further seeds each, 30 epochs in total" in text
    assert "references  resnet8_digits, 5 epochs each" in text


def test_limits_that_no_plan_decides_are_told(tmp_path):
    limits = "{target: microcontroller-64k, arena_bytes: 9000, latency_ms: [1, 4]}"
    text = " ".join(preview_text(_preview(tmp_path, limits=limits)).split())
    assert (
        "measured later target microcontroller-64k, arena_bytes up to 9,000, latency_ms 1 to 4, "
        "on the file of each" in text
    )
    assert "measured later" not in preview_text(_preview(tmp_path))


def test_a_space_smaller_than_the_budget_is_told(tmp_path):
    assert _preview(tmp_path, strategy="{kind: random, trials: 100}").runs_out
    assert not _preview(tmp_path, strategy="{kind: random, trials: 10}").runs_out


def test_epochs_come_from_the_recipe_unless_the_strategy_says(tmp_path):
    assert _preview(tmp_path).max_epochs == spec.load_recipe("short8").epochs
    assert _preview(tmp_path, recipe_overrides="{epochs: 3}").max_epochs == 3
    assert _preview(tmp_path, strategy="{max_epochs: 2}").max_epochs == 2


def test_overrides_and_validation_reach_the_recipe(tmp_path):
    fields = {
        "recipe_overrides": "{schedule.peak: 0.02, schedule: {warmup: 0.5}}",
        "validation": "0.3",
    }
    recipe = resolve_search(write(tmp_path, with_space(*SPACE, **fields))).recipe
    assert (recipe.schedule.peak, recipe.schedule.warmup) == (0.02, 0.5)
    assert recipe.validation.fraction == 0.3


def test_a_preview_needs_no_tensorflow(tmp_path):
    program = (
        "import sys, reszoo.tuning.preview; reszoo.tuning.preview.preview(sys.argv[1]); "
        "print([name for name in ('tensorflow', 'keras', 'keras_tuner') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, write(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", spec.names_of("search"))
def test_every_search_of_the_zoo_has_something_to_try(name):
    resolved = resolve_search(name)
    sampler = resolved.sampler()
    assert resolved.search.name == name
    assert all(sampler.draw() for _ in range(2))
    assert resolved.planned >= 2


def test_a_search_survives_being_written_and_read(tmp_path):
    search = spec.load_search("digits")
    (tmp_path / "again.yaml").write_text(spec.to_yaml(search))
    assert spec.load_search(tmp_path / "again.yaml") == search
