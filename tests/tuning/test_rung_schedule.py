"""The time of a search on several workers, which take the next training as soon as they can."""

from __future__ import annotations

from reszoo import spec
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.rung_schedule import confirming_rung, planned_brackets, search_seconds


def epochs(rung: Rung) -> float:
    return rung.to_epoch - rung.from_epoch


def test_workers_speed_up_the_digits_search_as_far_as_its_rungs_allow():
    page = {**spec.to_mapping(spec.load_search("digits")), "references": []}
    brackets = planned_brackets(resolve_search(spec.from_mapping(page, "search")))
    alone = search_seconds(brackets, 1, epochs)
    assert alone == sum(rung.epochs for bracket in brackets for rung in bracket) == 196
    speedups = [alone / search_seconds(brackets, workers, epochs) for workers in (4, 8, 22)]
    assert [round(each, 1) for each in speedups] == [3.9, 7.5, 10.9]


def test_a_rung_begins_when_the_rung_before_is_done():
    first, second = Rung(0, 0, 3, 0, 1), Rung(0, 1, 1, 1, 4)
    assert search_seconds([[first, second]], 2, epochs) == 2 + 3
    assert search_seconds([[first, second]], 10, epochs) == 1 + 3
    assert search_seconds([[first], [second]], 10, epochs) == 3


def test_a_batch_waits_for_the_batch_before():
    changes = {"strategy": {"kind": "tpe", "trials": 10, "max_epochs": 2, "batch": 4}}
    page = {**spec.to_mapping(spec.load_search("digits_tiny")), **changes}
    brackets = planned_brackets(resolve_search(spec.from_mapping(page, "search")))
    assert [[rung.candidates for rung in bracket] for bracket in brackets] == [[4, 4, 2]]
    assert search_seconds(brackets, 100, epochs) == 6


def test_references_wait_for_nothing_and_the_best_are_confirmed_at_the_end():
    changes = {"references": ["resnet8_digits"], "confirm": {"best": 3, "seeds": 2}}
    page = {**spec.to_mapping(spec.load_search("digits_tiny")), **changes}
    resolved = resolve_search(spec.from_mapping(page, "search"))
    assert [[rung.candidates for rung in each] for each in planned_brackets(resolved)] == [[2], [1]]
    rung = confirming_rung(resolved)
    assert rung is not None
    assert (rung.candidates, rung.epochs) == (6, 12)
