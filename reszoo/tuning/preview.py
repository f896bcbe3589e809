"""Preview of a search: its space, costs and budget, before anything is trained."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reszoo.planning import Cost
from reszoo.spec.search import Search
from reszoo.tuning.combinations import SeededOrder
from reszoo.tuning.constraints import MEASURES, amount_of, bounds, nothing_feasible
from reszoo.tuning.dimensions import Dimension
from reszoo.tuning.further_jobs import reference_jobs
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search

WEIGHED_WHOLE = 20_000
"""Spaces up to this number of combinations are weighed to the last one."""

SAMPLE = 10_000
"""Number of combinations weighed of a larger space: the first ones of the search's own order."""

TRAINING_IMAGES: Mapping[tuple[str, tuple[int, ...]], int] = {("digits", (8, 8, 1)): 1437}
"""Training images by data and input shape, of the data that need not be opened to be counted."""

_ASSUMED_ACCURACY = 0.9
_CONFIDENCE_95 = 1.96


@dataclass(frozen=True, slots=True)
class Example:
    """A candidate and its cost."""

    changes: Mapping[str, Any]
    cost: Cost


@dataclass(frozen=True, slots=True)
class Preview:
    """The space of a search, its costs and its budget."""

    search: Search
    base: str
    """Name of the base spec."""
    recipe: str
    """Name of the recipe of its trainings."""
    dimensions: tuple[Dimension, ...]
    candidates: int
    """Size of the space, infeasible candidates included."""
    combinations: int
    """Number of candidates that satisfy orders and constraints; of a space that is too large to be
    listed, the number of which some are drawn."""
    examined: int
    """Number of combinations drawn."""
    feasible: int
    """Number of candidates checked and found feasible."""
    violations: Mapping[str, int]
    """Number of candidates checked that violate each limit."""
    smallest: Example
    """The feasible candidate with the fewest parameters among those checked."""
    largest: Example
    """The feasible candidate with the most parameters among those checked."""
    ranges: Mapping[str, tuple[int, int]]
    """Least and most of each measure (the name of a limit) among the feasible ones checked."""
    tenths: Mapping[str, tuple[int, ...]]
    """For each limit, how many of the feasible ones checked lie in each tenth of it."""
    lower_bound: tuple[str, float] | None
    """A limit of which half of the feasible ones use less than half, and a lower bound for it that
    leaves enough candidates; None where none is advised."""
    start_from: tuple[Mapping[str, Any], ...]
    """The changes of the initial candidates."""
    rungs: tuple[Rung, ...]
    """The rungs of one iteration."""
    iterations: int
    max_epochs: int
    held_out: int | None
    """Number of held-out images; None if it is not known before the data are opened."""

    @property
    def exact(self) -> bool:
        """Whether every candidate was checked; otherwise the counts are those of a sample."""
        return self.examined == self.combinations

    @property
    def feasible_candidates(self) -> int:
        """Number of feasible candidates, estimated where only a sample was checked."""
        return round(self.combinations * self.feasible / self.examined)

    @property
    def new_candidates(self) -> int:
        """Number of different candidates to train, in a space that is large enough."""
        return _new_candidates(self.rungs, self.iterations)

    @property
    def total_epochs(self) -> int:
        """Epochs over all candidates, in a space that is large enough."""
        return self.iterations * sum(rung.epochs for rung in self.rungs)

    @property
    def runs_out(self) -> bool:
        """Whether the space has fewer feasible candidates than the search would train."""
        return self.feasible_candidates < self.new_candidates

    @property
    def smallest_difference(self) -> float | None:
        """The difference of two accuracies that held-out images can show at 95 %.

        For nets of 90 % accuracy whose errors are independent, by the normal approximation.
        """
        if self.held_out is None:
            return None
        variance = _ASSUMED_ACCURACY * (1 - _ASSUMED_ACCURACY) / self.held_out
        return _CONFIDENCE_95 * math.sqrt(2 * variance)


def preview(
    search: Search | str | os.PathLike[str],
    *,
    classes: int | None = None,
    seed: int | None = None,
    data: str | None = None,
) -> Preview:
    """Checks the space of a search on the plans of its candidates.

    `classes` defaults to the number of the base, and `seed` to that of the search. Of spaces above
    `WEIGHED_WHOLE` combinations a sample is checked, the same one every time. `data` is the word
    for the data, by which the number of held-out images may be known.
    """
    resolved = resolve_search(search, classes=classes, seed=seed)
    reference_jobs(resolved)  # so that a missing one is told now
    order = SeededOrder(resolved.constraints.combinations, resolved.search.seed)
    feasible, violations = _check_space(resolved, order)
    if not feasible:
        drawn = order.drawn if order.drawn < order.total else None
        raise nothing_feasible(resolved.search, resolved.constraints, drawn)
    by_size = sorted(feasible, key=lambda example: example.cost.parameters)
    amounts = {name: [amount_of(example.cost, name) for example in feasible] for name in MEASURES}
    images = TRAINING_IMAGES.get((data or "", tuple(resolved.space.base.input.shape)))
    tops = {name: bounds(limit)[1] for name, limit in resolved.constraints.limits.items()}
    return Preview(
        search=resolved.search,
        base=resolved.space.base.name,
        recipe=resolved.recipe.name,
        dimensions=resolved.space.dimensions,
        candidates=resolved.space.size,
        combinations=order.total,
        examined=order.drawn,
        feasible=len(feasible),
        violations=violations,
        smallest=by_size[0],
        largest=by_size[-1],
        ranges={name: (min(values), max(values)) for name, values in amounts.items()},
        tenths={name: _tenths(amounts[name], most) for name, most in tops.items()},
        lower_bound=_lower_bound(resolved, amounts),
        start_from=tuple(map(resolved.space.changes, resolved.initial_candidates)),
        rungs=resolved.rungs,
        iterations=resolved.iterations,
        max_epochs=resolved.max_epochs,
        held_out=None if images is None else round(images * resolved.recipe.validation.fraction),
    )


def _check_space(
    resolved: ResolvedSearch, order: SeededOrder
) -> tuple[list[Example], dict[str, int]]:
    """Returns the feasible candidates, and the violations of each limit."""
    whole = order.is_listed and order.total <= WEIGHED_WHOLE
    violations: Counter[str] = Counter()
    feasible: list[Example] = []
    for candidate in order if whole else islice(order, SAMPLE):
        check = resolved.constraints.check(candidate)
        violations.update(check.violations.keys())
        if check.cost is not None and check.feasible:
            feasible.append(Example(resolved.space.changes(candidate), check.cost))
    return feasible, dict(violations)


def _tenths(amounts: Sequence[int], most: float) -> tuple[int, ...]:
    counts = Counter(min(int(10 * amount / most), 9) for amount in amounts)
    return tuple(counts[tenth] for tenth in range(10))


def _lower_bound(
    resolved: ResolvedSearch, amounts: Mapping[str, Sequence[int]]
) -> tuple[str, float] | None:
    """Returns the limit that candidates come nearest to, with a lower bound, where one is advised.

    The bound is the highest of nine to five tenths above which there are three times as many
    candidates as the search trains.
    """
    limits = resolved.constraints.limits
    shares = {name: sorted(n / bounds(limits[name])[1] for n in amounts[name]) for name in limits}
    medians = {name: values[len(values) // 2] for name, values in shares.items()}
    if not medians or any(isinstance(limit, tuple) for limit in limits.values()):
        return None
    tightest = max(medians, key=lambda name: medians[name])
    if medians[tightest] >= 0.5:
        return None
    enough = 3 * _new_candidates(resolved.rungs, resolved.iterations)
    for tenths in (9, 8, 7, 6, 5):
        if sum(10 * share >= tenths for share in shares[tightest]) >= enough:
            return tightest, bounds(limits[tightest])[1] * tenths / 10
    return None


def _new_candidates(rungs: Sequence[Rung], iterations: int) -> int:
    return iterations * sum(rung.candidates for rung in rungs if rung.round == 0)
