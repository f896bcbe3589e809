from __future__ import annotations

import itertools

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.planning.cost import cost
from reszoo.tuning import combinations, sampling
from reszoo.tuning.constraints import nothing_feasible
from reszoo.tuning.preview import preview
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from reszoo.tuning.sampling import CandidateSampler
from tests.tuning.searches import SEARCH, with_space, write

SPACE = ("stages[each].depth: {min: 1, max: 3}", "stages[*].width: {multiply: [1, 2]}")

FROM_0_1 = {
    "digits": ["limits={parameters: 100000, macs: 2.0e+6}", "start_from=[resnet8_digits]"],
    "cifar10": ["limits={parameters: 275000, macs: 41.0e+6}"],
}
"""What the searches of the zoo were in version 0.1, where they have changed."""


def _resolved(tmp_path, **fields: str) -> ResolvedSearch:
    return resolve_search(write(tmp_path, with_space(*SPACE, **fields)))


def _drawn(sampler: CandidateSampler):
    return list(iter(sampler.draw, None))


def _feasible_by_hand(resolved: ResolvedSearch, measure: str, limit: float):
    ranges = [range(len(one.choices)) for one in resolved.space.dimensions]
    return {
        candidate
        for candidate in itertools.product(*ranges)
        if getattr(cost(resolved.space.spec(candidate)), measure) <= limit
    }


@pytest.mark.parametrize(
    ("limit", "measure", "amount"),
    [
        ("parameters", "parameters", 20_000),
        ("macs", "macs", 250_000),
        ("weight_bytes_int8", "weight_bytes_int8", 20_000),
        ("peak_activation_bytes", "peak_activation_bytes_int8", 900),
    ],
)
def test_exactly_the_candidates_within_a_limit_are_drawn(tmp_path, limit, measure, amount):
    resolved = _resolved(tmp_path, limits=f"{{{limit}: {amount}}}")
    expected = _feasible_by_hand(resolved, measure, amount)
    sampler = resolved.sampler()
    drawn = _drawn(sampler)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == expected
    assert 0 < len(expected) < resolved.space.size
    assert sampler.rejected == {limit: resolved.space.size - len(expected)}


def test_choices_that_do_not_go_together_are_turned_away_like_costly_ones(tmp_path):
    # An identity shortcut can carry neither another width nor another size.
    space = (
        "block.shortcut: {choices: [identity, zero_pad]}",
        "stages[*].depth: {choices: [1, 2]}",
    )
    resolved = resolve_search(write(tmp_path, with_space(*space)))
    sampler = resolved.sampler()
    shortcuts = {resolved.space.spec(one).block.shortcut.kind for one in _drawn(sampler)}
    assert shortcuts == {"zero_pad"}
    assert sampler.rejected == {"impossible": 2}


def test_a_seed_decides_the_order_and_zero_is_a_seed(tmp_path):
    orders = {
        seed: tuple(_drawn(_resolved(tmp_path, seed=str(seed)).sampler())) for seed in (0, 0, 1, 2)
    }
    again = tuple(_drawn(_resolved(tmp_path, seed="0").sampler()))
    assert orders[0] == again
    assert len(set(orders.values())) == 3


def test_neighbouring_seeds_do_not_draw_the_same_one_later(tmp_path):
    # In keras-tuner the draws of seed 1 are those of seed 0 from a later one on.
    first, second = (_drawn(_resolved(tmp_path, seed=str(seed)).sampler()) for seed in (0, 1))
    overlaps = [sum(map(tuple.__eq__, first[shift:], second)) for shift in range(8)]
    assert max(overlaps) < len(second) // 2


def test_a_large_space_is_drawn_from_without_repetition(tmp_path, monkeypatch):
    monkeypatch.setattr(combinations, "COUNTABLE", 20)
    monkeypatch.setattr(combinations, "MOST_DRAWS", 2_000)
    resolved = _resolved(tmp_path, limits="{parameters: 20000}")
    sampler = resolved.sampler()
    drawn = _drawn(sampler)
    assert set(drawn) == _feasible_by_hand(resolved, "parameters", 20_000)
    assert len(drawn) == len(set(drawn))
    assert sampler.gave_up is None


def test_a_large_space_of_infeasible_ones_ends_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(combinations, "COUNTABLE", 20)
    monkeypatch.setattr(sampling, "MOST_INFEASIBLE", 7)
    sampler = _resolved(tmp_path, limits="{parameters: 10}").sampler()
    assert sampler.draw() is None
    assert sampler.draw() is None
    assert sampler.gave_up == ("7 candidates in a row were infeasible, after 7 of 54 were drawn")
    assert sampler.drawn_of_more == 7


def test_limits_out_of_reach_are_told_without_weighing_the_whole_space(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "_OUT_OF_REACH", 3)
    for limits in ("{parameters: 10, macs: 1e9}", "{macs: [1e9, 2e9]}"):
        sampler = _resolved(tmp_path, limits=limits).sampler()
        assert sampler.draw() is None
        assert sampler.drawn_of_more == 3


@pytest.mark.parametrize(
    ("name", "seed", "expected"),
    [
        ("digits", 0, "00020 21031 01211 01010 22011 31311 13210 22000 22031 03030 10101 13301"),
        ("digits", 5, "00020 03301 21301 32030 10000 01311 11030 01030 22011 21001 13011 02200"),
        ("cifar10", 0, "2222 4521 6111 0430 5401 3001 3010 3450 5151 3030 5601 0140"),
        ("cifar10", 5, "2222 1502 3060 6401 5620 3111 0212 4100 2340 0010 6310 5650"),
    ],
)
def test_candidates_are_drawn_as_version_0_1_drew_them(name, seed, expected):
    search = FROM_0_1[name]
    sampler = resolve_search(spec.load_search(name, search), seed=seed).sampler()
    drawn = [sampler.draw() for _ in range(12)]
    assert ["".join(map(str, one)) for one in drawn] == expected.split()


def test_a_range_turns_away_what_is_below_it_too(tmp_path):
    resolved = _resolved(tmp_path, limits="{macs: [200000, 250000]}")
    expected = {
        candidate
        for candidate in itertools.product(
            *(range(len(d.choices)) for d in resolved.space.dimensions)
        )
        if 200_000 <= cost(resolved.space.spec(candidate)).macs <= 250_000
    }
    assert set(_drawn(resolved.sampler())) == expected
    assert expected


def test_a_range_that_nothing_meets_names_the_nearest(tmp_path):
    everything = _resolved(tmp_path)
    macs = sorted(
        cost(everything.space.spec(everything.space.candidate(number))).macs
        for number in range(everything.space.size)
    )
    gap = max(range(1, len(macs)), key=lambda i: macs[i] - macs[i - 1])
    below, above = macs[gap - 1], macs[gap]
    with pytest.raises(UserError) as caught:
        preview(write(tmp_path, with_space(*SPACE, limits=f"{{macs: [{below + 1}, {above - 1}]}}")))
    assert f"the nearest macs are {below:,} below and {above:,} above" in str(caught.value.found)
    assert "no cost is within its range" in caught.value.what


def test_the_smallest_is_the_smallest_of_all(tmp_path):
    resolved = _resolved(tmp_path, limits="{parameters: 100}")
    everything = [resolved.space.candidate(number) for number in range(resolved.space.size)]
    least = min(cost(resolved.space.spec(one)).parameters for one in everything)
    assert resolved.constraints.smallest("parameters").parameters == least


def test_starts_are_drawn_first_and_only_once(tmp_path):
    starts = """
  - {"stages[each].depth": [3, 1, 2]}
  - {"stages[each].depth": 2, "stages[*].width": [8, 16, 32]}"""
    resolved = _resolved(tmp_path, start_from=starts)
    drawn = _drawn(resolved.sampler())
    assert [resolved.space.changes(one) for one in drawn[:2]] == [
        {
            "stages[0].depth": 3,
            "stages[1].depth": 1,
            "stages[2].depth": 2,
            "stages[*].width": [4, 8, 16],
        },
        {
            "stages[0].depth": 2,
            "stages[1].depth": 2,
            "stages[2].depth": 2,
            "stages[*].width": [8, 16, 32],
        },
    ]
    assert len(drawn) == len(set(drawn)) == resolved.space.size


def test_a_start_leaves_the_rest_as_in_the_base_however_that_is_written(tmp_path):
    space = ("stages[*].depth: {choices: [1, 2]}", "head.dropout: {choices: [0.5, 0]}")
    kinds = "block.shortcut: {choices: [projection, zero_pad]}"
    starts = '[{"stages[*].depth": 2}]'
    resolved = resolve_search(write(tmp_path, with_space(*space, kinds, start_from=starts)))
    (start,) = resolved.initial_candidates
    assert resolved.space.changes(start) == {
        "stages[*].depth": 2,
        "head.dropout": 0,
        "block.shortcut": "zero_pad",
    }


def test_a_spec_of_the_space_can_be_started_from(tmp_path):
    known = "extends: ./base.yaml\nname: known\nblock: {connection: highway}\n"
    search = SEARCH + "start_from: [known.yaml]\n"
    file = write(tmp_path, search)
    (tmp_path / "known.yaml").write_text(known)
    resolved = resolve_search(file)
    (start,) = resolved.initial_candidates
    assert resolved.space.changes(start) == {
        "stages[0].depth": 1,
        "stages[1].depth": 2,
        "stages[2].depth": 1,
        "block.connection": "highway",
    }


def test_a_start_above_a_limit_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"start_from\[0\] cannot be tried: .* parameters are above"
    ):
        _resolved(tmp_path, limits="{parameters: 9000}", start_from='[{"stages[each].depth": 3}]')


TARGET = "name: device\nquantization: int8\nlimits: {macs: 250000, file_bytes: 40000}\n"


def test_what_a_plan_says_about_a_target_is_decided_without_a_conversion(tmp_path):
    (tmp_path / "device.yaml").write_text(TARGET)
    resolved = _resolved(tmp_path, limits="{target: device.yaml}")
    expected = _feasible_by_hand(resolved, "macs", 250_000)
    expected &= _feasible_by_hand(resolved, "weight_bytes_int8", 40_000)
    sampler = resolved.sampler()
    assert set(_drawn(sampler)) == expected
    assert sampler.rejected == {"target": resolved.space.size - len(expected)}


def test_a_target_that_no_plan_fits_is_named(tmp_path):
    (tmp_path / "device.yaml").write_text(TARGET.replace("250000", "250"))
    resolved = _resolved(tmp_path, limits="{target: device.yaml}")
    error = nothing_feasible(resolved.search, resolved.constraints)
    assert error.what == "no feasible candidate in the space: none fits the target"
    assert "multiply-adds of 250" in str(error.found)
