"""What a search would try and cost, before anything is trained. No TensorFlow."""

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
from reszoo.tuning.resolved_search import ResolvedSearch, prepare
from reszoo.tuning.sampling import ENUMERABLE, shuffled
from reszoo.tuning.space import Candidate, Dimension

SAMPLE = 1_000
"""Candidates that are weighed in a space too large to be weighed whole."""


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
    """How many networks the space holds, feasible or not."""
    examined: int
    """How many of them were weighed."""
    feasible: int
    """How many of those weighed may be tried."""
    objections: Mapping[str, int]
    """How many of those weighed each limit turns away."""
    smallest: Example
    """The feasible candidate with the fewest parameters among those weighed."""
    largest: Example
    """The feasible candidate with the most parameters among those weighed."""
    ranges: Mapping[str, tuple[int, int]]
    """Each measure (the name of a limit): least and most among the feasible ones weighed."""
    start_from: tuple[Mapping[str, Any], ...]
    """What is tried first."""
    rungs: tuple[Rung, ...]
    """How many candidates are trained for how long, in one iteration."""
    iterations: int
    max_epochs: int

    @property
    def exact(self) -> bool:
        """Whether every candidate was weighed; otherwise the counts are those of a sample."""
        return self.examined == self.candidates

    @property
    def feasible_candidates(self) -> int:
        """How many candidates may be tried: exactly, or reckoned from the sample."""
        return (
            self.feasible if self.exact else round(self.candidates * self.feasible / self.examined)
        )

    @property
    def new_candidates(self) -> int:
        """How many different candidates the search would try, were the space large enough."""
        return self.iterations * sum(rung.candidates for rung in self.rungs if rung.round == 0)

    @property
    def total_epochs(self) -> int:
        """Epochs of training over all candidates, were the space large enough."""
        return self.iterations * sum(rung.epochs for rung in self.rungs)

    @property
    def runs_out(self) -> bool:
        """Whether the space holds fewer feasible candidates than the search would try."""
        return self.feasible_candidates < self.new_candidates


def preview(
    search: Search | str | os.PathLike[str],
    *,
    classes: int | None = None,
    seed: int | None = None,
    seconds: float = 20.0,
) -> Preview:
    """Weighs the space of a search on the plans of its candidates.

    Args:
      search: the value, or its name or file.
      classes: of the data, where they are known; the base's otherwise.
      seed: replaces the search's.
      seconds: after so long, what was weighed counts as a sample.

    Raises:
      UserError: the search cannot be used, or nothing in its space is within its limits.
    """
    setup = prepare(search, classes=classes, seed=seed)
    weighed, examined, objections = _weigh(setup, seconds)
    if not weighed:
        drawn = examined if examined < setup.space.size else None
        raise nothing_feasible(setup.search, setup.judge, drawn)
    by_size = sorted(weighed, key=lambda candidate: _price(setup, candidate).parameters)
    amounts = {
        name: [amount_of(_price(setup, candidate), name) for candidate in weighed]
        for name in MEASURES
    }
    return Preview(
        search=setup.search,
        base=setup.space.base.name,
        recipe=setup.recipe.name,
        dimensions=setup.space.dimensions,
        candidates=setup.space.size,
        examined=examined,
        feasible=len(weighed),
        objections=objections,
        smallest=_example(setup, by_size[0]),
        largest=_example(setup, by_size[-1]),
        ranges={name: (min(every), max(every)) for name, every in amounts.items()},
        start_from=tuple(setup.space.changes(candidate) for candidate in setup.start),
        rungs=setup.rungs,
        iterations=setup.iterations,
        max_epochs=setup.max_epochs,
    )


def _weigh(setup: ResolvedSearch, seconds: float) -> tuple[list[Candidate], int, dict[str, int]]:
    """The feasible ones of the candidates weighed, how many those were, and what was objected.

    They come in the seeded order of the search, so that a part of them is a fair sample.
    """
    whole = setup.space.size <= ENUMERABLE
    until = time.monotonic() + seconds
    objections: Counter[str] = Counter()
    feasible: list[Candidate] = []
    examined = 0
    order = shuffled(setup.space, setup.search.seed)
    for candidate in islice(order, None if whole else SAMPLE):
        verdict = setup.judge.verdict(candidate)
        examined += 1
        objections.update(verdict.objections.keys())
        if verdict.feasible:
            feasible.append(candidate)
        if examined >= SAMPLE and time.monotonic() > until:
            break
    return feasible, examined, dict(objections)


def _price(setup: ResolvedSearch, candidate: Candidate) -> Cost:
    price = setup.judge.verdict(candidate).cost
    assert price is not None
    return price


def _example(setup: ResolvedSearch, candidate: Candidate) -> Example:
    return Example(setup.space.changes(candidate), _price(setup, candidate))
