"""The strategy of a search: how candidates are proposed, trained and confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Kinded, PositiveInt, Value

DEFAULT_BATCH = 4
BATCHED = ("bayesian", "tpe", "pareto")
"""The kinds that propose candidates in batches, from the results before them."""

_KINDS_OF: Mapping[str, tuple[str, ...]] = {
    "trials": ("random", "grid", "bayesian", "tpe", "pareto"),
    "factor": ("hyperband",),
    "iterations": ("hyperband",),
    "batch": BATCHED,
}
"""The kinds that each field belongs to; `max_epochs` belongs to all."""


class Strategy(Kinded):
    """The search strategy and its budget."""

    kind: Literal["random", "hyperband", "grid", "list", "bayesian", "tpe", "pareto"] = "random"
    """`random` trains every candidate fully; `hyperband` trains many briefly and continues the best
    (Li 2018); `grid` trains the candidates in the order of the page, and `list` those of
    `start_from`; `bayesian`, `tpe` and `pareto` propose from results (a Gaussian process, Optuna's
    TPE and NSGA-II). Schedules always span `max_epochs`."""
    trials: PositiveInt | None = None
    """All but `hyperband` and `list`: number of candidates. Defaults to 10; all for `grid`."""
    max_epochs: PositiveInt | None = None
    """Epochs of a fully trained candidate. Defaults to the recipe's."""
    factor: Annotated[int, Field(ge=2)] | None = None
    """`hyperband`: one candidate in `factor` continues, `factor` times as long. Defaults to 3."""
    iterations: PositiveInt | None = None
    """`hyperband`: number of runs of all brackets. Defaults to 1."""
    batch: PositiveInt | None = None
    """`bayesian`, `tpe`, `pareto`: candidates proposed at a time, from the results before them,
    however many are trained at once. Defaults to 4."""

    @model_validator(mode="after")
    def _check_kind(self) -> Strategy:
        if self.kind == "hyperband" and self.trials is not None:
            raise PydanticCustomError(
                "hyperband_trials",
                "hyperband plans its own trials from max_epochs, factor and iterations; "
                "leave trials out",
                {"hint": "remove `trials`"},
            )
        foreign = [
            field
            for field, kinds in _KINDS_OF.items()
            if getattr(self, field) is not None and self.kind not in kinds
        ]
        if foreign:
            kinds, fields = _KINDS_OF[foreign[0]], " or ".join(foreign)
            options = "options" if len(foreign) > 1 else "an option"
            raise PydanticCustomError(
                "strategy_fields",
                f"no {fields}, {options} of kind: {' or '.join(kinds)}",
                {"hint": f"remove {fields.replace(' or ', ' and ')}, or write `kind: {kinds[0]}`"},
            )
        return self


class Confirm(Value):
    """Further trainings of the best candidates before one is named."""

    best: PositiveInt = 3
    """Number of candidates trained again."""
    seeds: PositiveInt = 2
    """Number of further seeds of each (initial weights, order and held-out images)."""

    @property
    def trainings(self) -> int:
        """Number of further trainings."""
        return self.best * self.seeds
