from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.space import Space
from tests.tuning.searches import BASE, with_space, write


@pytest.fixture
def space_with(tmp_path):
    def make(*lines: str, base: str = BASE) -> Space:
        return resolve_search(write(tmp_path, with_space(*lines), base)).space

    return make


def _all(space: Space):
    return [space.candidate(number) for number in range(space.size)]


def test_a_star_is_one_value_that_all_stages_share(space_with):
    space = space_with("stages[*].depth: {min: 1, max: 3}")
    depths = [[stage.depth for stage in space.spec(one).stages] for one in _all(space)]
    assert depths == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]


def test_each_is_one_value_for_every_stage_on_its_own(space_with):
    space = space_with("stages[each].depth: {choices: [1, 3]}")
    depths = {tuple(stage.depth for stage in space.spec(one).stages) for one in _all(space)}
    assert space.size == 2**3 == len(depths)
    assert [one.name for one in space.dimensions] == [f"stages[{i}].depth" for i in range(3)]


def test_a_range_goes_in_steps_and_includes_its_end(space_with):
    (depth,) = space_with("stages[*].depth: {min: 2, max: 8, step: 3}").dimensions
    assert depth.labels == [2, 5, 8]


def test_a_range_may_end_at_zero(space_with):
    (bias,) = space_with("block.gate.bias: {min: -2, max: 0}").dimensions
    assert bias.labels == [-2, -1, 0]


def test_factors_keep_the_proportions_of_the_base(space_with):
    (width,) = space_with("stages[*].width: {multiply: [0.5, 1, 1.5]}").dimensions
    assert width.labels == [[2, 4, 8], [4, 8, 16], [6, 12, 24]]


def test_factors_that_round_alike_are_one_choice(space_with):
    (width,) = space_with("stages[0].width: {multiply: [0.1, 0.2, 1, 1.05]}").dimensions
    assert width.labels == [1, 4]


def test_fields_named_together_take_one_factor(space_with):
    space = space_with("stem.filters, stages[*].width: {multiply: [1, 2]}")
    wide = space.spec(_all(space)[1])
    assert wide.stem.filters == 8
    assert [stage.width for stage in wide.stages] == [8, 16, 32]


def test_a_list_as_long_as_the_stages_gives_each_its_own(space_with):
    space = space_with("stages[*].width: {choices: [[4, 8, 16], [6, 10, 14]]}")
    widths = [[stage.width for stage in space.spec(one).stages] for one in _all(space)]
    assert widths == [[4, 8, 16], [6, 10, 14]]


def test_any_field_can_be_searched_even_one_that_the_base_does_not_write(space_with):
    space = space_with(
        "block.gate.bias: {choices: [-1, -2.5]}",
        "block.norm: {choices: [batch, none]}",
        "stages[2].connection: {choices: [highway, plain]}",
        "block.shortcut.dropout: {choices: [0.0, 0.5]}",
    )
    last = space.spec(_all(space)[-1])
    assert last.block.gate.bias == -2.5
    assert last.block.norm.kind == "none"
    assert last.stages[2].connection == "plain"
    assert (last.block.shortcut.kind, last.block.shortcut.dropout) == ("zero_pad", 0.5)


def test_the_rest_of_the_base_stays_as_it_is(space_with):
    space = space_with("stages[*].depth: {choices: [2]}")
    made = space.spec(_all(space)[0])
    stages = tuple(stage.model_copy(update={"depth": 2}) for stage in space.base.stages)
    assert made == space.base.model_copy(update={"stages": stages})


def test_published_numbers_are_not_inherited(space_with):
    base = BASE + "title: The known one\npublished: {top1: 99.0, where: here}\n"
    space = space_with("stages[*].depth: {choices: [2]}", base=base)
    made = space.spec(_all(space)[0])
    assert made.published is None
    assert made.title is None


def test_every_candidate_has_one_number(space_with):
    space = space_with(
        "stages[each].depth: {min: 1, max: 3}", "block.connection: {choices: [plain, residual]}"
    )
    assert len(set(_all(space))) == space.size == 3**3 * 2


def test_classes_of_the_data_replace_the_bases(tmp_path):
    file = write(tmp_path, with_space("stages[*].depth: {choices: [2]}"))
    space = resolve_search(file, classes=7).space
    assert space.spec((0,)).classes == 7


def test_equal_ratios_lie_between_the_ends_of_log(space_with):
    (rate,) = space_with("recipe.schedule.peak: {log: [0.02, 0.4], values: 4}").dimensions
    assert rate.labels == [0.02, 0.05429, 0.1474, 0.4]
    (width,) = space_with("stages[0].width: {log: [4, 64]}").dimensions
    assert width.labels == [4, 8, 16, 32, 64]


def test_fields_of_the_recipe_change_the_recipe_alone(space_with):
    space = space_with(
        "recipe.schedule.peak: {choices: [0.1, 0.2]}",
        "recipe.optimizer.weight_decay: {choices: [0.0, 1.0e-3]}",
        "stages[*].depth: {choices: [2]}",
    )
    last = _all(space)[-1]
    recipe = space.recipe(last)
    assert (recipe.schedule.peak, recipe.optimizer.weight_decay) == (0.2, 1e-3)
    assert recipe.epochs == space.base_recipe.epochs
    assert [stage.depth for stage in space.spec(last).stages] == [2, 2, 2]
    assert space.changes(last)["recipe.schedule.peak"] == 0.2


def test_without_fields_of_the_recipe_it_is_that_of_the_search(space_with):
    space = space_with("stages[*].depth: {choices: [2]}")
    assert space.recipe((0,)) is space.base_recipe


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("recipe.epochs: {choices: [1, 2]}", "are those of `strategy`"),
        ("recipe.validation.fraction: {choices: [0.1]}", "the same held-out images"),
        ("recipe.name: {choices: [a]}", "named after"),
        ("recipe.title: {choices: [a]}", "nothing about the training"),
        ("recipe.schedule.peek: {choices: [1]}", "did you mean 'peak'"),
        ("recipe.schedul.peak: {choices: [1]}", "did you mean 'schedule'"),
        ("recipe.batch: {choices: [0]}", "recipe.batch cannot be 0"),
        ("recipe.optimizer: {choices: [adan]}", "did you mean 'adam'"),
        ("recipe[0].batch: {choices: [1]}", "recipe"),
    ],
)
def test_a_mistake_in_a_field_of_the_recipe_is_named(space_with, line, told):
    with pytest.raises(UserError) as caught:
        space_with(line)
    assert told in str(caught.value)
    assert caught.value.where.line == 5


def test_a_start_leaves_the_recipe_as_it_is(tmp_path):
    lines = ("stages[*].depth: {choices: [1, 2]}", "recipe.batch: {choices: [16, 32, 64]}")
    search = with_space(*lines, start_from='[{"stages[*].depth": 2}]')
    resolved = resolve_search(write(tmp_path, search))
    (start,) = resolved.initial_candidates
    assert resolved.space.recipe(start) == resolved.recipe
