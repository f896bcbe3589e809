"""Feasibility of candidates: orders, constraints, and the cost on the plan against the limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reszoo.errors import UserError
from reszoo.exporting.device_limits import plan_excesses
from reszoo.planning import Cost
from reszoo.planning.segment_costs import SegmentCosts
from reszoo.spec.search import Limits, Search
from reszoo.spec.target import Target
from reszoo.tuning.bound_constraints import BoundConstraint
from reszoo.tuning.combinations import Combinations
from reszoo.tuning.space import Candidate, Space

MEASURES: Mapping[str, str] = {
    "parameters": "parameters",
    "macs": "macs",
    "weight_bytes_int8": "weight_bytes_int8",
    "peak_activation_bytes": "peak_activation_bytes_int8",
}
"""Each limit of a search that is weighed on the plan, and the field of `Cost` that it bounds."""

_REMEMBERED = 100_000
"""Number of checks held in memory, about 100 MB."""

TARGET = "target"
"""The limit whose rules and sizes are those of an export target; a plan decides some of them."""

IMPOSSIBLE = "impossible"
"""The violation of a candidate whose choices do not go together."""

ORDER, CONSTRAINTS = "order", "constraints"
"""The violations of an order of the space, and of a constraint."""


@dataclass(frozen=True, slots=True)
class CandidateCheck:
    """The cost of a candidate and the limits that it violates."""

    cost: Cost | None
    """None for choices that do not go together, such as groups that do not divide a width."""
    violations: Mapping[str, str]
    """A sentence for each limit violated, by the limit's name, `impossible` and the like."""

    @property
    def feasible(self) -> bool:
        """Whether the candidate may be trained."""
        return not self.violations


class Constraints:
    """Checks candidates on their plans, before any network is built, and remembers the latest."""

    def __init__(
        self,
        space: Space,
        limits: Limits,
        constraints: Sequence[BoundConstraint] = (),
        target: Target | None = None,
    ) -> None:
        self.space = space
        self.combinations = Combinations(space, constraints)
        self._target = target
        self.limits: dict[str, float | tuple[float, float]] = {
            name: limit for name in MEASURES if (limit := getattr(limits, name)) is not None
        }
        self.gave_up: str | None = None
        """A sentence once drawing has ended although other candidates may fit."""
        self._costs = SegmentCosts()
        self._checks: dict[Candidate, CandidateCheck] = {}
        self._nearest = dict.fromkeys(self.limits, (-math.inf, math.inf))

    def check(self, candidate: Candidate) -> CandidateCheck:
        """Returns the cost of a candidate and the limits that it violates."""
        if candidate not in self._checks:
            if len(self._checks) >= _REMEMBERED:
                self._checks.clear()
            self._checks[candidate] = self._check(candidate)
        return self._checks[candidate]

    def smallest(self, measure: str, sign: int = 1) -> Cost | None:
        """Returns the lowest cost by one measure; None where no choices go together.

        Starts from each dimension's first choices and improves one dimension at a time until none
        helps; exact where the dimensions add up or multiply, which depth and width do. A `sign` of
        -1 gives the highest cost.
        """
        best = tuple(0 for _ in self.space.dimensions)
        while True:
            better = best
            for position, dimension in enumerate(self.space.dimensions):
                options = [
                    (*better[:position], index, *better[position + 1 :])
                    for index in range(len(dimension.choices))
                ]
                better = min(options, key=lambda option: self._amount(option, measure, sign))
            if better == best:
                return self.check(best).cost
            best = better

    def out_of_reach(self) -> bool:
        """Returns whether even the least costly candidate is above a limit, or the costliest below.

        Only by measures that add up over the layers, in which `smallest` is exact.
        """
        for name in self.limits.keys() - {"peak_activation_bytes"}:
            least, most = bounds(self.limits[name])
            smallest, largest = self.smallest(name), self.smallest(name, -1) if least else None
            if smallest is not None and amount_of(smallest, name) > most:
                return True
            if largest is not None and amount_of(largest, name) < least:
                return True
        return False

    def nearest(self, measure: str) -> tuple[float, float]:
        """Returns the amounts nearest below and above a range among the candidates checked.

        Of candidates that are within all other limits; infinite where there are none.
        """
        return self._nearest[measure]

    def _check(self, candidate: Candidate) -> CandidateCheck:
        try:
            price = self._costs.cost(self.space.spec(candidate))
            self.space.recipe(candidate)
        except UserError as error:
            return CandidateCheck(None, {IMPOSSIBLE: error.what})
        violations = dict(self._cheap_violations(candidate))
        for name, limit in self.limits.items():
            amount = amount_of(price, name)
            if (sentence := _violation(name, amount, limit)) is not None:
                violations[name] = sentence
        if self._target is not None and (excesses := list(plan_excesses(price, self._target))):
            violations[TARGET] = "; ".join(text for _, text in excesses)
        if len(violations) == 1 and (name := next(iter(violations))) in self.limits:
            self._note_nearest(name, amount_of(price, name))
        return CandidateCheck(price, violations)

    def _note_nearest(self, name: str, amount: float) -> None:
        """Keeps an amount outside a limit if none on its side of it was nearer so far."""
        below, above = self._nearest[name]
        if amount < bounds(self.limits[name])[0]:
            self._nearest[name] = (max(below, amount), above)
        else:
            self._nearest[name] = (below, min(above, amount))

    def _cheap_violations(self, candidate: Candidate) -> Iterator[tuple[str, str]]:
        """Yields the orders and constraints violated, which drawn candidates never do."""
        pairs = list(zip(self.space.dimensions, candidate, strict=True))
        for (before, i), (after, j) in pairwise(pairs):
            ordered = after.rising and before.key == after.key
            if ordered and before.choices[i].label > after.choices[j].label:
                yield ORDER, f"{after.name} is below {before.name}, but {after.key} is to rise"
        for constraint in self.combinations.constraints:
            if not constraint.meets(candidate):
                yield CONSTRAINTS, f"it does not meet `{constraint.text.strip()}`"

    def _amount(self, candidate: Candidate, measure: str, sign: int) -> float:
        price = self.check(candidate).cost
        return float("inf") if price is None else sign * amount_of(price, measure)


def bounds(limit: float | tuple[float, float]) -> tuple[float, float]:
    """Returns the least and the most that a limit allows."""
    return limit if isinstance(limit, tuple) else (0.0, limit)


def amount_of(price: Cost, measure: str) -> int:
    """Returns a cost by one measure, which is the name of a limit."""
    amount: int = getattr(price, MEASURES[measure])
    return amount


def _violation(name: str, amount: float, limit: float | tuple[float, float]) -> str | None:
    """Returns a sentence if an amount is outside a limit."""
    least, most = bounds(limit)
    if amount > most:
        return f"{amount:,} {name} are above {most:,.0f}"
    return f"{amount:,} {name} are below {least:,.0f}" if amount < least else None


def nothing_feasible(
    search: Search, constraints: Constraints, drawn: int | None = None
) -> UserError:
    """Returns the error for a space without a feasible candidate, with the costs nearest to it.

    `drawn` is the number of candidates checked; None when all of them were.
    """
    if constraints.combinations.listed is not None and not constraints.combinations.listed:
        return UserError(
            "no candidate in the space meets the constraints",
            where=search.where("constraints"),
            expected="at least one candidate that meets them all",
            found="; ".join(f"`{text}`" for text in search.constraints[:3]),
            hint="loosen the constraints, or add choices to the space",
        )
    nothing = "no feasible candidate in the space"
    if drawn is not None:
        nothing = f"none of {drawn:,} candidates drawn from the space is feasible"
    if found := _nearest_to_ranges(constraints):
        return UserError(
            f"{nothing}: no cost is within its range",
            where=search.where("limits"),
            expected="at least one candidate within the limits",
            found="; ".join(found),
            hint="widen the range to one of these, or add choices to the space",
        )
    amounts = [
        f"{amount_of(smallest, name):,} {name} (limit {bounds(limit)[1]:,.0f})"
        for name, limit in constraints.limits.items()
        if (smallest := constraints.smallest(name)) is not None
    ]
    if not amounts:
        violations = constraints.check(constraints.space.candidate(0)).violations
        if TARGET in violations:
            return UserError(
                f"{nothing}: none fits the target",
                where=search.where("limits", TARGET),
                found=violations[TARGET],
                hint="choose a target for a larger device, or add smaller choices to the space",
            )
        return UserError(
            f"{nothing}: the choices are incompatible",
            where=search.where("space"),
            found=next(iter(violations.values()), None),
            hint="try `reszoo show` on the base with one of the candidates' values",
        )
    return UserError(
        f"{nothing}; the smallest costs {', '.join(amounts)}",
        where=search.where("limits"),
        expected="at least one candidate within the limits",
        hint="raise the limits, or add smaller choices to the space",
    )


def _nearest_to_ranges(constraints: Constraints) -> list[str]:
    """Returns a sentence for each range that alone turned candidates away."""
    sentences = []
    for name, limit in constraints.limits.items():
        if isinstance(limit, tuple):
            ends = zip(("below", "above"), constraints.nearest(name), strict=True)
            near = [f"{end:,.0f} {word}" for word, end in ends if math.isfinite(end)]
            if near:
                sentences.append(f"the nearest {name} are {' and '.join(near)}")
    return sentences
