"""Whether a candidate may be tried: its cost on the plan against the search's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reszoo.errors import UserError
from reszoo.planning import Cost
from reszoo.planning.cost import cost
from reszoo.spec.search import Limits, Search
from reszoo.tuning.space import Candidate, Space

MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "parameters": "parameters",
        "macs": "macs",
        "weight_bytes_int8": "weight_bytes_int8",
        "peak_activation_bytes": "peak_activation_bytes_int8",
    }
)
"""Each limit of a search and the field of `Cost` that it bounds."""

IMPOSSIBLE = "impossible"
"""What is objected to a candidate whose choices do not go together."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a candidate costs and what speaks against it."""

    cost: Cost | None
    """None for choices that do not go together, such as groups that do not divide a width."""
    objections: Mapping[str, str]
    """What it breaks, each with a sentence: a limit's name, or `impossible`."""

    @property
    def feasible(self) -> bool:
        """Whether it may be tried."""
        return not self.objections


class Constraints:
    """Weighs candidates on their plans, each once. Building and training come later, if at all."""

    def __init__(self, space: Space, limits: Limits) -> None:
        self.space = space
        self.limits = {
            name: limit for name in MEASURES if (limit := getattr(limits, name)) is not None
        }
        self._known: dict[Candidate, Verdict] = {}

    def verdict(self, candidate: Candidate) -> Verdict:
        """What the candidate costs, and whether that is within the limits."""
        if candidate not in self._known:
            self._known[candidate] = self._weigh(candidate)
        return self._known[candidate]

    def smallest(self, measure: str) -> Cost | None:
        """The least that a candidate costs of one measure; None where no choices go together.

        Starts from each dimension's first choices and improves one dimension at a time until none
        helps; exact where the dimensions add up or multiply, which depth and width do.
        """
        best = tuple(0 for _ in self.space.dimensions)
        while True:
            better = best
            for position, dimension in enumerate(self.space.dimensions):
                options = [
                    (*better[:position], index, *better[position + 1 :])
                    for index in range(len(dimension.choices))
                ]
                better = min(options, key=lambda option: self._measured(option, measure))
            if better == best:
                return self.verdict(best).cost
            best = better

    def _weigh(self, candidate: Candidate) -> Verdict:
        try:
            price = cost(self.space.spec(candidate))
        except UserError as error:
            return Verdict(None, {IMPOSSIBLE: error.what})
        objections = {
            name: f"{amount:,} {name} are above {limit:,.0f}"
            for name, limit in self.limits.items()
            if (amount := amount_of(price, name)) > limit
        }
        return Verdict(price, objections)

    def _measured(self, candidate: Candidate, measure: str) -> float:
        price = self.verdict(candidate).cost
        return float("inf") if price is None else amount_of(price, measure)


def amount_of(price: Cost, measure: str) -> int:
    """How much of a measure (the name of a limit) a network costs."""
    amount: int = getattr(price, MEASURES[measure])
    return amount


def nothing_feasible(search: Search, judge: Constraints, drawn: int | None = None) -> UserError:
    """The error for a space in which nothing is within the limits, saying how small it gets.

    Args:
      search: whose space it is.
      judge: of that space.
      drawn: how many candidates were weighed, if that is not all of them.
    """
    nothing = "no feasible candidate in the space"
    if drawn is not None:
        nothing = f"none of {drawn:,} candidates drawn from the space is feasible"
    smallest = {name: judge.smallest(name) for name in judge.limits}
    amounts = [
        f"{amount_of(price, name):,} {name} (limit {judge.limits[name]:,.0f})"
        for name, price in smallest.items()
        if price is not None
    ]
    if not amounts:
        why = next(iter(judge.verdict(judge.space.candidate(0)).objections.values()), None)
        return UserError(
            f"{nothing}: the choices do not go together",
            where=search.where("space"),
            found=why,
            hint="try `reszoo show` on the base with one of the candidates' values",
        )
    return UserError(
        f"{nothing}; the smallest costs {', '.join(amounts)}",
        where=search.where("limits"),
        expected="at least one candidate within the limits",
        hint="raise the limits, or add smaller choices to the space",
    )
