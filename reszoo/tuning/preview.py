"""Preview of a search: its space, costs and budget, before anything is trained."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reszoo.planning import Cost
from reszoo.spec.search import Search
from reszoo.tuning.constraints import MEASURES, amount_of, nothing_feasible
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from reszoo.tuning.sampling import COUNTABLE, MAX_DRAWS, draws, shuffled
from reszoo.tuning.space import Dimension

SAMPLE = MAX_DRAWS
"""Number of candidates checked in a space that is too large to be checked whole."""


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
    examined: int
    """Number of candidates checked."""
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
    start_from: tuple[Mapping[str, Any], ...]
    """The changes of the initial candidates."""
    rungs: tuple[Rung, ...]
    """The rungs of one iteration."""
    iterations: int
    max_epochs: int

    @property
    def exact(self) -> bool:
        """Whether every candidate was checked; otherwise the counts are those of a sample."""
        return self.examined == self.candidates

    @property
    def feasible_candidates(self) -> int:
        """Number of feasible candidates, estimated where only a sample was checked."""
        return round(self.candidates * self.feasible / self.examined)

    @property
    def new_candidates(self) -> int:
        """Number of different candidates to train, in a space that is large enough."""
        return self.iterations * sum(rung.candidates for rung in self.rungs if rung.round == 0)

    @property
    def total_epochs(self) -> int:
        """Epochs over all candidates, in a space that is large enough."""
        return self.iterations * sum(rung.epochs for rung in self.rungs)

    @property
    def runs_out(self) -> bool:
        """Whether the space has fewer feasible candidates than the search would train."""
        return self.feasible_candidates < self.new_candidates


def preview(
    search: Search | str | os.PathLike[str],
    *,
    classes: int | None = None,
    seed: int | None = None,
    seconds: float = 60.0,
) -> Preview:
    """Checks the space of a search on the plans of its candidates.

    `classes` defaults to the number of the base, and `seed` to that of the search. After `seconds`,
    the candidates checked so far count as a sample.
    """
    resolved = resolve_search(search, classes=classes, seed=seed)
    feasible, examined, violations = _check_space(resolved, seconds)
    if not feasible:
        drawn = examined if examined < resolved.space.size else None
        raise nothing_feasible(resolved.search, resolved.constraints, drawn)
    by_size = sorted(feasible, key=lambda example: example.cost.parameters)
    amounts = {name: [amount_of(example.cost, name) for example in feasible] for name in MEASURES}
    return Preview(
        search=resolved.search,
        base=resolved.space.base.name,
        recipe=resolved.recipe.name,
        dimensions=resolved.space.dimensions,
        candidates=resolved.space.size,
        examined=examined,
        feasible=len(feasible),
        violations=violations,
        smallest=by_size[0],
        largest=by_size[-1],
        ranges={name: (min(values), max(values)) for name, values in amounts.items()},
        start_from=tuple(map(resolved.space.changes, resolved.initial_candidates)),
        rungs=resolved.rungs,
        iterations=resolved.iterations,
        max_epochs=resolved.max_epochs,
    )


def _check_space(
    resolved: ResolvedSearch, seconds: float
) -> tuple[list[Example], int, dict[str, int]]:
    """Returns the feasible candidates, the number checked, and the violations of each limit.

    Candidates come in the seeded order of the search, so that the first ones are a fair sample.
    """
    space, seed = resolved.space, resolved.search.seed
    order = shuffled(space, seed) if space.size <= COUNTABLE else islice(draws(space, seed), SAMPLE)
    deadline = time.monotonic() + seconds
    violations: Counter[str] = Counter()
    feasible: list[Example] = []
    for examined, candidate in enumerate(order, 1):
        check = resolved.constraints.check(candidate)
        violations.update(check.violations.keys())
        if check.cost is not None and check.feasible:
            feasible.append(Example(resolved.space.changes(candidate), check.cost))
        if examined >= SAMPLE and time.monotonic() > deadline:
            break
    return feasible, examined, dict(violations)
