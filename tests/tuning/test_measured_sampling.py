"""Only candidates within the measured limits are drawn, each measured once, and the same again."""

from __future__ import annotations

import dataclasses

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.planning.cost import cost
from reszoo.tuning import measured_sampling
from reszoo.tuning.measured_limits import MeasuredLimits
from reszoo.tuning.measurement import Measurement, MeasurementLog
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from tests.tuning.searches import SEARCH, write


class Scale:
    """Stands for the helper process: the arena is made up from the parameters."""

    def __init__(self) -> None:
        self.measured: list[int] = []

    def __call__(self, architecture) -> Measurement:
        parameters = cost(architecture).parameters
        self.measured.append(parameters)
        return Measurement(file_bytes=1, arena_bytes=parameters)


def resolved_within(folder, most: int, scale: Scale, log: MeasurementLog) -> ResolvedSearch:
    search = spec.load_search(write(folder, SEARCH + f"limits: {{arena_bytes: {most}}}\n"))
    resolved = resolve_search(search)
    assert resolved.target is not None
    limits = MeasuredLimits(search.limits, resolved.target, log, scale)
    return dataclasses.replace(resolved, measured=limits)


def draw(resolved: ResolvedSearch) -> list:
    sampler = resolved.sampler()
    return list(iter(sampler.draw, None))


def test_a_resumed_search_draws_the_same_candidates_and_measures_none(tmp_path):
    path, scale = tmp_path / "measured.jsonl", Scale()
    resolved = resolved_within(tmp_path, 12_000, scale, MeasurementLog(path))
    drawn = draw(resolved)
    parameters = [cost(resolved.space.spec(candidate)).parameters for candidate in drawn]
    assert 0 < len(drawn) < resolved.space.size
    assert max(parameters) <= 12_000 < max(scale.measured)

    again = Scale()
    resumed = resolved_within(tmp_path, 12_000, again, MeasurementLog(path))
    assert draw(resumed) == drawn
    assert again.measured == []


def test_what_was_rejected_is_counted_by_its_limit(tmp_path):
    resolved = resolved_within(tmp_path, 12_000, Scale(), MeasurementLog())
    sampler = resolved.sampler()
    drawn = list(iter(sampler.draw, None))
    assert sampler.rejected == {"arena_bytes": resolved.space.size - len(drawn)}
    outside = next(
        candidate
        for candidate in map(resolved.space.candidate, range(resolved.space.size))
        if candidate not in drawn
    )
    assert "arena_bytes" in resolved.violations(outside)
    assert not resolved.violations(drawn[0])


def test_a_search_in_which_nothing_is_within_the_measured_limits_says_so(tmp_path):
    resolved = resolved_within(tmp_path, 10, Scale(), MeasurementLog())
    with pytest.raises(UserError, match="no candidate is within the measured limits") as refused:
        resolved.sampler().draw()
    assert "are above 10" in str(refused.value.found)


def test_a_search_that_gives_up_measuring_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_sampling, "MAX_REJECTED", 2)
    resolved = resolved_within(tmp_path, 12_000, Scale(), MeasurementLog())
    drawn = draw(resolved)
    assert 0 < len(drawn) < resolved.space.size
    reason = "2 candidates in a row were outside the measured limits"
    assert resolved.constraints.gave_up == reason  # which the result of the search repeats
