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
from reszoo.tuning.sampling import ENUMERABLE, shuffled
from reszoo.tuning.space import Candidate, Dimension

SAMPLE = 1_000
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
        return (
            self.feasible if self.exact else round(self.candidates * self.feasible / self.examined)
        )

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
    seconds: float = 20.0,
) -> Preview:
    """Checks the space of a search on the plans of its candidates.

    Args:
      search: a search, its name in the zoo, or its file.
      classes: number of classes of the data. Defaults to that of the base.
      seed: seed. Defaults to that of the search.
      seconds: time limit, after which the candidates checked count as a sample.

    Raises:
      UserError: the search cannot be used, or its space has no feasible candidate.
    """
    resolved = resolve_search(search, classes=classes, seed=seed)
    candidates, examined, violations = _check_space(resolved, seconds)
    if not candidates:
        drawn = examined if examined < resolved.space.size else None
        raise nothing_feasible(resolved.search, resolved.constraints, drawn)
    by_size = sorted(candidates, key=lambda candidate: _price(resolved, candidate).parameters)
    amounts = {
        name: [amount_of(_price(resolved, candidate), name) for candidate in candidates]
        for name in MEASURES
    }
    return Preview(
        search=resolved.search,
        base=resolved.space.base.name,
        recipe=resolved.recipe.name,
        dimensions=resolved.space.dimensions,
        candidates=resolved.space.size,
        examined=examined,
        feasible=len(candidates),
        violations=violations,
        smallest=_example(resolved, by_size[0]),
        largest=_example(resolved, by_size[-1]),
        ranges={name: (min(values), max(values)) for name, values in amounts.items()},
        start_from=tuple(
            resolved.space.changes(candidate) for candidate in resolved.initial_candidates
        ),
        rungs=resolved.rungs,
        iterations=resolved.iterations,
        max_epochs=resolved.max_epochs,
    )


def _check_space(
    resolved: ResolvedSearch, seconds: float
) -> tuple[list[Candidate], int, dict[str, int]]:
    """Returns the feasible candidates, the number checked, and the violations of each limit.

    Candidates come in the seeded order of the search, so that the first ones are a fair sample.
    """
    limit = None if resolved.space.size <= ENUMERABLE else SAMPLE
    deadline = time.monotonic() + seconds
    violations: Counter[str] = Counter()
    feasible: list[Candidate] = []
    examined = 0
    order = shuffled(resolved.space, resolved.search.seed)
    for candidate in islice(order, limit):
        check = resolved.constraints.check(candidate)
        examined += 1
        violations.update(check.violations.keys())
        if check.feasible:
            feasible.append(candidate)
        if examined >= SAMPLE and time.monotonic() > deadline:
            break
    return feasible, examined, dict(violations)


def _price(resolved: ResolvedSearch, candidate: Candidate) -> Cost:
    price = resolved.constraints.check(candidate).cost
    assert price is not None
    return price


def _example(resolved: ResolvedSearch, candidate: Candidate) -> Example:
    return Example(resolved.space.changes(candidate), _price(resolved, candidate))
