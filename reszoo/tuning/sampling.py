"""Sampling of candidates: in a seeded order, each once, feasible ones only."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator

from reszoo.tuning.constraints import Constraints
from reszoo.tuning.space import Candidate, Space

ENUMERABLE = 20_000
"""Spaces up to this size are shuffled as a whole, so that every candidate is drawn exactly once."""

MAX_REDRAWS = 1_000
"""In larger spaces, a search gives up after this many infeasible or repeated draws in a row."""


class CandidateSampler:
    """Draws the candidates of a search: the initial ones, then others at random.

    The order is a pure function of space, limits and seed: what a search draws next does not
    depend on when or how often it was stopped.
    """

    def __init__(
        self, constraints: Constraints, seed: int, initial: Iterable[Candidate] = ()
    ) -> None:
        self._constraints = constraints
        self._initial = list(initial)
        self._order = shuffled(constraints.space, seed)
        self._drawn: set[Candidate] = set()
        self.rejected: Counter[str] = Counter()
        """Number of candidates that each limit has turned away."""

    @property
    def drawn_of_more(self) -> int | None:
        """Number of candidates drawn; None once all of the space is drawn."""
        return len(self._drawn) if len(self._drawn) < self._constraints.space.size else None

    def draw(self) -> Candidate | None:
        """Returns a feasible candidate that was not drawn before; None when there is no other."""
        while self._initial:
            if (candidate := self._initial.pop(0)) not in self._drawn:
                self._drawn.add(candidate)
                return candidate
        for attempt, candidate in enumerate(self._order):
            if candidate not in self._drawn:
                self._drawn.add(candidate)
                check = self._constraints.check(candidate)
                if check.feasible:
                    return candidate
                self.rejected.update(check.violations.keys())
            if self._constraints.space.size > ENUMERABLE and attempt + 1 >= MAX_REDRAWS:
                return None
        return None


def shuffled(space: Space, seed: int) -> Iterator[Candidate]:
    """Yields all candidates in a seeded order; draws from large spaces are with replacement."""
    generator = random.Random(f"reszoo search {seed}")
    if space.size > ENUMERABLE:
        while True:
            yield space.candidate(generator.randrange(space.size))
    numbers = list(range(space.size))
    generator.shuffle(numbers)
    yield from map(space.candidate, numbers)
