"""Sampling of candidates: in a seeded order, each once, feasible ones only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from reszoo.tuning.combinations import SeededOrder
from reszoo.tuning.constraints import IMPOSSIBLE, Constraints
from reszoo.tuning.space import Candidate

ENUMERABLE_BEFORE = 20_000
"""Spaces above this size were drawn in another order by searches of format version 1."""

MOST_INFEASIBLE = 20_000
"""In spaces that are not listed, a search ends after so many infeasible candidates in a row."""

_OUT_OF_REACH = 1_000
"""After so many infeasible candidates and no other, the least costly one is looked for."""


class CandidateSampler:
    """Draws the candidates of a search: the initial ones, then others in a seeded order.

    What a search draws next is a function of space, limits and seed: it does not depend on when or
    how often the search was stopped.
    """

    def __init__(
        self, constraints: Constraints, seed: int, initial: Iterable[Candidate] = ()
    ) -> None:
        self._constraints = constraints
        self._initial = list(dict.fromkeys(initial))
        self._first = frozenset(self._initial)
        self._order = SeededOrder(constraints.combinations, seed)
        self._infeasible = 0
        self._any_feasible = bool(self._initial)
        self._ended = False
        self.rejected: Counter[str] = Counter()
        """Number of candidates that each limit has turned away."""

    @property
    def drawn_of_more(self) -> int | None:
        """Number of combinations drawn; None once all are drawn."""
        all_drawn = self._order.is_listed and self._order.drawn == self._order.total
        return None if all_drawn else self._order.drawn

    @property
    def gave_up(self) -> str | None:
        """A sentence if drawing ended although the space may have other candidates that fit."""
        return self._constraints.gave_up

    def draw(self) -> Candidate | None:
        """Returns a feasible candidate that was not drawn before; None when there is no other."""
        if self._initial:
            return self._initial.pop(0)
        while not self._ended:
            candidate = next(self._order, None)
            if candidate is None:
                self._end("no other candidate that meets the constraints was drawn")
                break
            if candidate in self._first:
                continue
            check = self._constraints.check(candidate)
            if check.feasible:
                self._infeasible, self._any_feasible = 0, True
                return candidate
            self.rejected.update(check.violations.keys())
            self._infeasible += 1
            if self._infeasible >= MOST_INFEASIBLE and not self._order.is_listed:
                self._end(f"{self._infeasible:,} candidates in a row were infeasible")
            elif self._infeasible == _OUT_OF_REACH and self._is_out_of_reach():
                self._ended = True  # An answer in a second, not after the hour of a large space.
        return None

    def give_up(self, reason: str) -> None:
        """Ends the drawing for a reason, although the space may have other candidates that fit."""
        self._constraints.gave_up = reason

    def _is_out_of_reach(self) -> bool:
        impossible = self._any_feasible or self.rejected[IMPOSSIBLE]
        return not impossible and self._constraints.out_of_reach()

    def _end(self, reason: str) -> None:
        self._ended = True
        if not self._order.is_listed and self._order.drawn < self._order.total:
            drawn, total = self._order.drawn, self._order.total
            self._constraints.gave_up = f"{reason}, after {drawn:,} of {total:,} were drawn"
