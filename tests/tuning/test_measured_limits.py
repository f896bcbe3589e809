"""Limits on the converted file: what they say, and that nothing is measured twice."""

from __future__ import annotations

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.search import Limits
from reszoo.tuning.measured_limits import MeasuredLimits, measured_limits, measured_target
from reszoo.tuning.measurement import Measurement, MeasurementLog
from tests.tuning.searches import SEARCH, write

NET = spec.load("resnet8_digits")
MEASURED = Measurement(file_bytes=31456, macs=1000, arena_bytes=8396, latency_ms=0.25)


def search_with(folder, **limits):
    lines = f"limits: {{{', '.join(f'{name}: {value}' for name, value in limits.items())}}}\n"
    return spec.load_search(write(folder, SEARCH + lines))


def limits_of(limits: Limits, measurement: Measurement, log: MeasurementLog | None = None):
    target = spec.load_target("microcontroller-64k")
    return MeasuredLimits(limits, target, log or MeasurementLog(), lambda _: measurement)


@pytest.mark.parametrize(
    ("limits", "violations"),
    [
        ({"arena_bytes": 8396, "latency_ms": 0.25}, {}),
        ({"arena_bytes": 8000}, {"arena_bytes": "8,396 arena_bytes are above 8,000"}),
        ({"arena_bytes": (9000, 10000)}, {"arena_bytes": "8,396 arena_bytes are below 9,000"}),
        ({"latency_ms": 0.2}, {"latency_ms": "0.25 latency_ms are above 0.2"}),
    ],
)
def test_a_measured_limit_is_a_most_or_a_range(limits, violations):
    assert limits_of(Limits(**limits), MEASURED).check(NET) == violations


def test_the_rules_of_a_target_are_limits_only_where_the_search_names_it():
    measured = Measurement(file_bytes=1, problems=("the target lacks the operator RSQRT",))
    named = limits_of(Limits(target="microcontroller-64k"), measured)
    assert named.check(NET) == {"target": "the target lacks the operator RSQRT"}
    assert limits_of(Limits(), measured).check(NET) == {}


def test_a_network_that_cannot_be_converted_or_has_no_known_arena_is_outside():
    failed = Measurement(problems=("the network cannot be converted to TFLite: Erf",))
    violations = limits_of(Limits(arena_bytes=9000), failed).check(NET)
    assert violations == {
        "target": failed.problems[0],
        "arena_bytes": "arena_bytes cannot be measured",
    }


def test_what_the_folder_has_recorded_is_not_measured_again(tmp_path):
    path = tmp_path / "measured.jsonl"
    limits_of(Limits(arena_bytes=9000), MEASURED, MeasurementLog(path)).check(NET)

    def measure(_):
        raise AssertionError("measured again")

    target = spec.load_target("microcontroller-64k")
    again = MeasuredLimits(Limits(arena_bytes=8000), target, MeasurementLog(path), measure)
    renamed = NET.model_copy(update={"name": "trial-0007", "title": None})
    assert again.check(renamed) == {"arena_bytes": "8,396 arena_bytes are above 8,000"}


def test_a_search_without_measured_limits_measures_nothing(tmp_path):
    search = search_with(tmp_path, parameters=1000)
    assert measured_target(search) is None
    with measured_limits(search, None) as measured:
        assert measured is None


def test_the_target_of_a_search_is_looked_up(tmp_path):
    assert measured_target(search_with(tmp_path, arena_bytes=9000)).name == "microcontroller"
    named = search_with(tmp_path, target="microcontroller-64k")
    assert measured_target(named).limits.arena_bytes == 65536


@pytest.mark.parametrize("target", ["microcontroler-64k", "server"])
def test_a_target_that_cannot_be_measured_has_its_place(tmp_path, target):
    with pytest.raises(UserError) as refused:
        measured_target(search_with(tmp_path, target=target))
    assert ".yaml:" in str(refused.value.where)
