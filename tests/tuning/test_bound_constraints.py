from __future__ import annotations

import pytest

from reszoo.errors import Place, UserError
from reszoo.tuning.bound_constraints import BoundConstraint, place_within
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.space import Space
from tests.tuning.searches import with_space, write

SPACE = (
    "stages[each].depth: {min: 1, max: 3}",
    "stages[*].width: {multiply: [1, 2]}",
    "block.gate.bias: {choices: [-1, 0, 2.5]}",
    "block.norm: {choices: [{kind: batch, epsilon: 0.1}, batch]}",
    "recipe.batch: {choices: [16, 32]}",
)


def _bound(tmp_path, text: str) -> tuple[Space, BoundConstraint]:
    resolved = resolve_search(write(tmp_path, with_space(*SPACE, constraints=f"['{text}']")))
    return resolved.space, resolved.constraints.combinations.constraints[0]


@pytest.mark.parametrize(
    ("text", "meets"),
    [
        ("sum(stages[*].depth) >= 5", lambda s, r: sum(x.depth for x in s.stages) >= 5),
        (
            "stages[2].width <= 2 * stages[1].depth * stages[0].width",
            lambda s, r: s.stages[2].width <= 2 * s.stages[1].depth * s.stages[0].width,
        ),
        (
            "4 <= max(stages[*].depth, stem.filters) + stages[0].depth <= 6",
            lambda s, r: (
                4 <= max(*(x.depth for x in s.stages), s.stem.filters) + s.stages[0].depth <= 6
            ),
        ),
        ("-block.gate.bias < +1", lambda s, r: -s.block.gate.bias < 1),
        ("1 / block.gate.bias > 0", lambda s, r: s.block.gate.bias > 0),
        ("block.norm.epsilon == 0.1", lambda s, r: s.block.norm.epsilon == 0.1),
        (
            "recipe.batch / stages[0].depth > min(30, 10)",
            lambda s, r: r.batch / s.stages[0].depth > 10,
        ),
    ],
)
def test_a_constraint_is_the_comparison_of_the_candidates_fields(tmp_path, text, meets):
    space, constraint = _bound(tmp_path, text)
    everything = [space.candidate(number) for number in range(space.size)]
    expected = [meets(space.spec(one), space.recipe(one)) for one in everything]
    assert [constraint.meets(one) for one in everything] == expected
    assert 0 < sum(expected) < space.size


def test_a_quotient_that_no_float_holds_is_not_met(tmp_path):
    power = "*".join(["99999999999999"] * 30)
    _, constraint = _bound(tmp_path, f"stages[0].depth * {power} / 1.5 > 1")
    assert not constraint.meets((0, 0, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("stages[0].dpeth < 3", 1, "did you mean 'depth'"),
        ("1 < stagse[0].depth", 5, "did you mean 'stages'"),
        ("stages[9].depth < 3", 1, "stages[0] to stages[2]"),
        ("stages[0].depth < block.conection", 19, "did you mean 'connection'"),
        ("stages[0].depth < block.connection", 19, "a number at block.connection"),
        ("stages[0].depth < stages[0].kernel", 19, "no value"),
        ("recipe.bach < 3", 1, "did you mean 'batch'"),
        ("stages[0].depth < block", 19, "a number at block"),
        ("stages[0].depth +* 3", 18, "cannot be read"),
        ("stem.filters < 30", 1, "holds for every candidate"),
        ("1 / 0 < 30", 1, "holds for no candidate"),
    ],
)
def test_a_mistake_has_line_and_column(tmp_path, text, column, told):
    with pytest.raises(UserError) as caught:
        _bound(tmp_path, text)
    assert told in str(caught.value)
    assert caught.value.hint
    # The constraint begins after `constraints: ['`.
    assert caught.value.where == Place(str(tmp_path / "search.yaml"), 4, 15 + column)


def test_a_text_that_yaml_writes_otherwise_has_its_own_place(tmp_path):
    file = tmp_path / "page.yaml"
    file.write_text('a: ["b  \\\n  < c"]\n')
    where = Place(str(file), 1, 5)
    assert place_within(where, "b < c", 4) == where
    assert place_within(Place("--set constraints"), "b < c", 4) == Place("--set constraints")


def test_a_mistake_in_an_override_is_placed_there(tmp_path):
    from reszoo import spec

    file = write(tmp_path, with_space(*SPACE))
    search = spec.load_search(str(file), ["constraints=['stages[0].depht < 3']"])
    with pytest.raises(UserError, match="not a path") as caught:
        resolve_search(search)
    assert "--set" in str(caught.value.where)
