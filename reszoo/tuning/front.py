"""Ranking of trials by the objectives of a search: the best one, and the front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reszoo.spec.search import VAL_ACCURACY
from reszoo.tuning.trial_log import TrialRecord

Goals = Mapping[str, str]
"""The objectives and their directions, `max` or `min`; the first one names the best."""

ACCURACY: Goals = {VAL_ACCURACY: "max"}


def objective_values(record: TrialRecord, goals: Goals) -> list[float]:
    """Returns what a finished trial reached by each objective, in their order."""
    values = {**record.cost, VAL_ACCURACY: record.val_accuracy or 0.0}
    return [float(values[name]) for name in goals]


def best_of(records: Iterable[TrialRecord], goals: Goals = ACCURACY) -> TrialRecord | None:
    """Returns the best finished trial by the first objective, or None when none finished.

    Only those trained longest are compared, because a schedule that was cut short says little about
    its end. Among equals the fewest multiply-adds win, then the earliest.
    """
    return max(_finished(records), key=lambda record: _merit(record, goals), default=None)


def ranked(records: Sequence[TrialRecord], goals: Goals = ACCURACY) -> list[TrialRecord]:
    """Returns the last record of each trial, best first, failed ones last."""
    last = {record.trial: record for record in records if record.kind == "trial"}
    finished = _finished(last.values())
    failed = [record for record in last.values() if record.state == "failed"]
    return sorted(finished, key=lambda record: _merit(record, goals), reverse=True) + failed


def front_of(records: Iterable[TrialRecord], goals: Goals) -> list[TrialRecord]:
    """Returns the trials that no other one beats in all objectives, best by the first one first.

    Only those trained longest are compared. A single objective has no front.
    """
    if len(goals) == 1:
        return []
    finished = sorted(_finished(records), key=lambda record: _merit(record, goals), reverse=True)
    longest = [record for record in finished if record.epochs == finished[0].epochs]
    signed = {record.key: _signed(record, goals) for record in longest}
    return [
        record
        for record in longest
        if not any(_dominates(signed[other.key], signed[record.key]) for other in longest)
    ]


def _finished(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    return [one for one in records if one.state == "finished" and one.kind == "trial"]


def _merit(record: TrialRecord, goals: Goals) -> tuple[float, ...]:
    return (record.epochs, _signed(record, goals)[0], -record.cost["macs"], -record.trial)


def _signed(record: TrialRecord, goals: Goals) -> list[float]:
    """Returns what a trial reached by each objective, where more is better."""
    signs = [1 if direction == "max" else -1 for direction in goals.values()]
    return [
        sign * value for sign, value in zip(signs, objective_values(record, goals), strict=True)
    ]


def _dominates(left: Sequence[float], right: Sequence[float]) -> bool:
    pairs = list(zip(left, right, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
