"""In which order candidates are drawn: seeded, each once, only feasible ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator

from reszoo.tuning.constraints import Constraints
from reszoo.tuning.space import Candidate, Space

ENUMERABLE = 20_000
"""Spaces up to this size are shuffled as a whole, so that every candidate is met exactly once."""

MOST_REDRAWS = 1_000
"""In larger spaces, a search gives up after so many draws in a row that cannot be tried."""


class CandidateSampler:
    """Candidates to try, one after the other: those given first, then at random.

    A pure function of the space, the limits, the seed and how many were asked for before: what a
    search draws next does not depend on when or how often it was stopped.
    """

    def __init__(self, judge: Constraints, seed: int, first: Iterable[Candidate] = ()) -> None:
        self._judge = judge
        self._first = list(first)
        self._order = shuffled(judge.space, seed)
        self._drawn: set[Candidate] = set()
        self.rejected: Counter[str] = Counter()
        """How many candidates each limit turned away so far."""

    @property
    def drawn_of_more(self) -> int | None:
        """How many candidates were drawn, where the space holds others; None where it does not."""
        return len(self._drawn) if len(self._drawn) < self._judge.space.size else None

    def next(self) -> Candidate | None:
        """The next feasible candidate that was not drawn before; None when there is no other."""
        while self._first:
            if (candidate := self._first.pop(0)) not in self._drawn:
                self._drawn.add(candidate)
                return candidate
        for attempt, candidate in enumerate(self._order):
            if candidate not in self._drawn:
                self._drawn.add(candidate)
                verdict = self._judge.verdict(candidate)
                if verdict.feasible:
                    return candidate
                self.rejected.update(verdict.objections.keys())
            if self._judge.space.size > ENUMERABLE and attempt + 1 >= MOST_REDRAWS:
                return None
        return None


def shuffled(space: Space, seed: int) -> Iterator[Candidate]:
    """The space in a seeded order: all of it, or for large spaces draws with replacement."""
    generator = random.Random(f"reszoo search {seed}")
    if space.size > ENUMERABLE:
        while True:
            yield space.candidate(generator.randrange(space.size))
    numbers = list(range(space.size))
    generator.shuffle(numbers)
    yield from map(space.candidate, numbers)
