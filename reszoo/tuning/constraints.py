"""Constraints on candidates: the cost of each on its plan, against the limits of the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reszoo.errors import UserError
from reszoo.exporting.device_limits import plan_excesses
from reszoo.planning import Cost
from reszoo.planning.cost import cost
from reszoo.spec.search import Limits, Search
from reszoo.spec.target import Target
from reszoo.tuning.space import Candidate, Space

MEASURES: Mapping[str, str] = {
    "parameters": "parameters",
    "macs": "macs",
    "weight_bytes_int8": "weight_bytes_int8",
    "peak_activation_bytes": "peak_activation_bytes_int8",
}
"""Each limit of a search, and the field of `Cost` that it bounds."""

_REMEMBERED = 100_000
"""Number of checks held in memory, about 100 MB."""

TARGET = "target"
"""The limit whose rules and sizes are those of an export target; a plan decides some of them."""

IMPOSSIBLE = "impossible"
"""The violation of a candidate whose choices do not go together."""


@dataclass(frozen=True, slots=True)
class CandidateCheck:
    """The cost of a candidate and the limits that it violates."""

    cost: Cost | None
    """None for choices that do not go together, such as groups that do not divide a width."""
    violations: Mapping[str, str]
    """A sentence for each limit violated, by the limit's name or `impossible`."""

    @property
    def feasible(self) -> bool:
        """Whether the candidate may be trained."""
        return not self.violations


class Constraints:
    """Checks candidates on their plans, before any network is built, and remembers the latest."""

    def __init__(self, space: Space, limits: Limits, target: Target | None = None) -> None:
        self.space = space
        self._target = target
        self.limits = {
            name: limit for name in MEASURES if (limit := getattr(limits, name)) is not None
        }
        self._checks: dict[Candidate, CandidateCheck] = {}

    def check(self, candidate: Candidate) -> CandidateCheck:
        """Returns the cost of a candidate and the limits that it violates."""
        if candidate not in self._checks:
            if len(self._checks) >= _REMEMBERED:
                self._checks.clear()
            self._checks[candidate] = self._check(candidate)
        return self._checks[candidate]

    def smallest(self, measure: str) -> Cost | None:
        """Returns the lowest cost by one measure; None where no choices go together.

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
                better = min(options, key=lambda option: self._amount(option, measure))
            if better == best:
                return self.check(best).cost
            best = better

    def out_of_reach(self) -> bool:
        """Returns whether even the least costly candidate is above a limit.

        Only by measures that add up over the layers, in which `smallest` is exact.
        """
        measures = self.limits.keys() - {"peak_activation_bytes"}
        least = {name: self.smallest(name) for name in measures}
        return any(
            price is not None and amount_of(price, name) > bounds(self.limits[name])[1]
            for name, price in least.items()
        )

    def _check(self, candidate: Candidate) -> CandidateCheck:
        try:
            price = cost(self.space.spec(candidate))
        except UserError as error:
            return CandidateCheck(None, {IMPOSSIBLE: error.what})
        violations = {
            name: sentence
            for name, limit in self.limits.items()
            if (sentence := _violation(name, amount_of(price, name), limit)) is not None
        }
        if self._target is not None and (excesses := list(plan_excesses(price, self._target))):
            violations[TARGET] = "; ".join(text for _, text in excesses)
        return CandidateCheck(price, violations)

    def _amount(self, candidate: Candidate, measure: str) -> float:
        price = self.check(candidate).cost
        return float("inf") if price is None else amount_of(price, measure)


def _violation(name: str, amount: float, limit: float | tuple[float, float]) -> str | None:
    """Returns a sentence if an amount is outside a limit."""
    least, most = bounds(limit)
    if amount > most:
        return f"{amount:,} {name} are above {most:,.0f}"
    return f"{amount:,} {name} are below {least:,.0f}" if amount < least else None


def bounds(limit: float | tuple[float, float]) -> tuple[float, float]:
    """Returns the least and the most that a limit allows."""
    return limit if isinstance(limit, tuple) else (0.0, limit)


def amount_of(price: Cost, measure: str) -> int:
    """Returns a cost by one measure, which is the name of a limit."""
    amount: int = getattr(price, MEASURES[measure])
    return amount


def nothing_feasible(
    search: Search, constraints: Constraints, drawn: int | None = None
) -> UserError:
    """Returns the error for a space without a feasible candidate, with the lowest costs in it.

    `drawn` is the number of candidates checked; None when all of them were.
    """
    nothing = "no feasible candidate in the space"
    if drawn is not None:
        nothing = f"none of {drawn:,} candidates drawn from the space is feasible"
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
