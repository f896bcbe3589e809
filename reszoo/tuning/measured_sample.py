"""A sample of measured candidates, by which `--plan` tells what the measured limits will reject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from reszoo.tuning.measured_limits import MEASURED, MeasuredLimits, measured_limits
from reszoo.tuning.resolved_search import ResolvedSearch

SAMPLE_SIZE = 20


@dataclass(frozen=True, slots=True)
class MeasuredSample:
    """The first candidates of a search that pass their plans, converted and measured."""

    target: str
    """Name of the target whose file was measured."""
    measured: int
    feasible: int
    """Number of those within the measured limits."""
    violations: Mapping[str, int]
    """Number of those that violate each measured limit."""
    example: str | None
    """What the first violation says."""
    ranges: Mapping[str, tuple[float, float]]
    """Least and most of each cost that was measured."""


def measure_sample(
    resolved: ResolvedSearch,
    count: int = SAMPLE_SIZE,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> MeasuredSample | None:
    """Measures candidates in the order of the search; None where it has no measured limits.

    `progress` is told how many of how many are measured, at first none.
    """
    with measured_limits(resolved.search, resolved.target) as measured:
        return None if measured is None else _measure(resolved, measured, count, progress)


def _measure(
    resolved: ResolvedSearch,
    measured: MeasuredLimits,
    count: int,
    progress: Callable[[int, int], None],
) -> MeasuredSample:
    sampler = resolved.sampler()
    candidates = list(islice(iter(sampler.draw, None), count))
    networks = [resolved.space.spec(candidate) for candidate in candidates]
    checks = []
    progress(0, len(networks))
    for done, network in enumerate(networks, 1):
        checks.append(measured.check(network))
        progress(done, len(networks))
    violations: Counter[str] = Counter()
    for check in checks:
        violations.update(check.keys())
    ranges = {}
    for name in MEASURED:
        amounts = [getattr(measured.measurement(network), name) for network in networks]
        if known := [amount for amount in amounts if amount is not None]:
            ranges[name] = (min(known), max(known))
    return MeasuredSample(
        target=measured.target.name,
        measured=len(checks),
        feasible=sum(not check for check in checks),
        violations=dict(violations),
        example=next((text for check in checks for text in check.values()), None),
        ranges=ranges,
    )
