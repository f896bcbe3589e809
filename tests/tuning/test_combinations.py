from __future__ import annotations

import itertools

import pytest

from reszoo.errors import UserError
from reszoo.tuning import combinations
from reszoo.tuning.combinations import Combinations, SeededOrder
from reszoo.tuning.resolved_search import resolve_search
from tests.tuning.searches import with_space, write

RISING = "stages[each].width: {choices: [16, 4, 8, 12], order: rising}"
DEPTHS = "stages[each].depth: {min: 1, max: 3}"


def _combinations(tmp_path, *lines: str, **fields: str) -> Combinations:
    resolved = resolve_search(write(tmp_path, with_space(*lines, **fields)))
    return resolved.constraints.combinations


def _all(made: Combinations):
    return [made.candidate(number) for number in range(made.size)]


def test_rising_keeps_exactly_the_values_that_never_fall(tmp_path):
    made = _combinations(tmp_path, RISING, "block.connection: {choices: [plain, residual]}")
    widths = {tuple(stage.width for stage in made.space.spec(one).stages) for one in _all(made)}
    rising = {w for w in itertools.product((4, 8, 12, 16), repeat=3) if list(w) == sorted(w)}
    assert widths == rising
    assert made.size == len(set(_all(made))) == 2 * len(rising)


def test_rising_values_are_counted_without_being_listed(tmp_path):
    made = _combinations(tmp_path, "stages[each].width: {min: 1, max: 1000, order: rising}")
    assert made.size == 1000 * 1001 * 1002 // 6
    assert made.listed is None
    for number in (0, 12_345_678, made.size - 1):
        widths = [stage.width for stage in made.space.spec(made.candidate(number)).stages]
        assert widths == sorted(widths)


def test_without_orders_the_numbers_are_those_of_the_space(tmp_path):
    made = _combinations(tmp_path, DEPTHS, "block.connection: {choices: [plain, residual]}")
    assert made.is_space
    assert _all(made) == [made.space.candidate(number) for number in range(made.space.size)]


def test_the_numbers_that_meet_the_constraints_are_listed(tmp_path):
    text = '["sum(stages[*].depth) == 5", "stages[0].depth <= stages[2].depth"]'
    made = _combinations(tmp_path, DEPTHS, RISING, constraints=text)
    expected = [
        number
        for number, one in enumerate(_all(made))
        if all(constraint.meets(one) for constraint in made.constraints)
    ]
    assert list(made.listed) == expected
    assert 0 < len(expected) < made.size


def test_few_combinations_of_a_huge_space_are_listed(tmp_path):
    lines = (
        "stages[each].depth: {min: 1, max: 300}",
        "stages[each].width: {choices: [4, 8]}",
    )
    texts = [f"stages[{index}].depth <= 2" for index in range(3)]
    made = _combinations(tmp_path, *lines, constraints=str(texts))
    assert made.size == 300**3 * 8
    assert len(made.listed) == 2**3 * 8


def test_constraints_that_are_met_late_are_not_tried_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(combinations, "COUNTABLE", 20)
    monkeypatch.setattr(combinations, "MOST_VISITS", 20)
    made = _combinations(tmp_path, DEPTHS, constraints='["sum(stages[*].depth) == 9"]')
    assert made.listed is None


def test_an_order_holds_every_combination_once(tmp_path):
    made = _combinations(tmp_path, RISING, constraints='["stages[0].width < 16"]')
    order = list(SeededOrder(made, 3))
    assert sorted(order) == sorted(made.candidate(number) for number in made.listed)
    assert order != list(SeededOrder(made, 4))


def test_draws_never_repeat_and_end(tmp_path, monkeypatch):
    monkeypatch.setattr(combinations, "COUNTABLE", 5)
    monkeypatch.setattr(combinations, "MOST_VISITS", 5)
    monkeypatch.setattr(combinations, "MOST_DRAWS", 500)
    made = _combinations(tmp_path, DEPTHS, constraints='["stages[0].depth < 3"]')
    order = SeededOrder(made, 0)
    drawn = list(order)
    assert not order.is_listed
    assert len(drawn) == len(set(drawn)) == 18
    assert (order.drawn, order.total) == (27, 27)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stages[each].connection: {choices: [plain, residual], order: rising}", "be ordered"),
        ("stages[each].width: {choices: [4, true], order: rising}", "be ordered"),
    ],
)
def test_only_numbers_can_rise(tmp_path, line, told):
    with pytest.raises(UserError, match=told) as caught:
        _combinations(tmp_path, line)
    assert caught.value.hint == "remove `order`"


def test_a_start_that_falls_is_refused(tmp_path):
    rising = "stages[each].depth: {min: 1, max: 3, order: rising}"
    with pytest.raises(UserError, match=r"stages\[1\].depth is below stages\[0\].depth"):
        _combinations(tmp_path, rising, start_from='[{"stages[each].depth": [2, 1, 3]}]')


def test_a_start_that_does_not_meet_a_constraint_is_refused(tmp_path):
    fields = {
        "constraints": '["stages[0].depth == 1"]',
        "start_from": '[{"stages[each].depth": 2}]',
    }
    with pytest.raises(UserError, match=r"does not meet `stages\[0\].depth == 1`"):
        _combinations(tmp_path, DEPTHS, **fields)


def test_constraints_that_nothing_meets_are_named(tmp_path):
    from reszoo.tuning.preview import preview

    file = write(tmp_path, with_space(DEPTHS, constraints='["sum(stages[*].depth) > 90"]'))
    with pytest.raises(
        UserError, match="no candidate in the space meets the constraints"
    ) as caught:
        preview(file)
    assert "sum(stages[*].depth) > 90" in str(caught.value.found)
