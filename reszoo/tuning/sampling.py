"""Sampling of candidates: in a seeded order, each once, feasible ones only."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator

from reszoo.tuning.constraints import IMPOSSIBLE, Constraints
from reszoo.tuning.space import Candidate, Space

ENUMERABLE = 20_000
"""Spaces up to this size are shuffled as a whole, so that every candidate is drawn exactly once."""

MAX_REDRAWS = 1_000
"""In larger spaces, this many infeasible or repeated draws in a row are followed by enumeration."""

COUNTABLE = 1_000_000
"""Spaces up to this size are enumerated when drawing fails, so that no candidate is missed."""

MAX_DRAWS = 10_000
"""In spaces above `COUNTABLE`, a search gives up after this many such draws in a row."""


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
        self._seed = seed
        self._enumerates = constraints.space.size <= ENUMERABLE
        self._order = (shuffled if self._enumerates else draws)(constraints.space, seed)
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
        size = self._constraints.space.size
        max_redraws = MAX_REDRAWS if size <= COUNTABLE else MAX_DRAWS
        for attempt, candidate in enumerate(self._order, 1):
            if candidate not in self._drawn:
                self._drawn.add(candidate)
                check = self._constraints.check(candidate)
                if check.feasible:
                    return candidate
                self.rejected.update(check.violations.keys())
            if attempt >= max_redraws and not self._enumerates:
                break
        if self._enumerates or size > COUNTABLE:
            return None
        if not self.rejected[IMPOSSIBLE] and self._constraints.out_of_reach():
            return None  # An answer after a second, not after the hour that a large space takes.
        self._enumerates = True
        self._order = shuffled(self._constraints.space, self._seed)
        return self.draw()


def shuffled(space: Space, seed: int) -> Iterator[Candidate]:
    """Yields all candidates, each once, in a seeded order."""
    numbers = list(range(space.size))
    random.Random(f"reszoo search {seed}").shuffle(numbers)
    yield from map(space.candidate, numbers)


def draws(space: Space, seed: int) -> Iterator[Candidate]:
    """Yields seeded draws from the space with replacement, for ever."""
    generator = random.Random(f"reszoo search {seed}")
    while True:
        yield space.candidate(generator.randrange(space.size))
