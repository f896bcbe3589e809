"""Freezing: which layers learn in an epoch and at which rate, by the tags of the plan.

Frozen layers run as in inference: their weights and statistics stay, and dropout and stochastic
depth are off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from reszoo.errors import Place, UserError
from reszoo.planning import Plan, Row
from reszoo.planning.layer_groups import (
    BIAS,
    LOGITS,
    group_factors,
    group_names,
    group_of,
    row_names_of,
)
from reszoo.spec.recipe import Recipe
from reszoo.training.optimizers.param_groups import ParamGroup

_BIASES = ("bias", "beta")
"""Keras's names for the biases of layers and of normalisations."""


@dataclass(frozen=True, slots=True)
class Freezing:
    """The frozen rows of a plan, and the epoch from which they are trained."""

    plan: Plan
    rows: frozenset[str]
    """Names of the rows that are frozen at first."""
    until: int | None
    """The epoch (from 0) in which they begin to learn; None for never."""

    def at(self, epoch: int) -> frozenset[str]:
        """Returns the rows that are frozen in an epoch (from 0)."""
        unfrozen = self.until is not None and epoch >= self.until
        return frozenset() if unfrozen else self.rows

    def apply(self, model: keras.Model, epoch: int) -> None:
        """Sets the layers of a model trainable or not, as they are in an epoch (from 0)."""
        frozen = self.at(epoch)
        rows = {row.name: row for row in self.plan.rows}
        for layer in model.layers:  # fewer than rows, where one stands for several on a device
            row = rows[layer.name]
            layer.trainable = row.name not in frozen
            if row.op == "dropout":
                # Keras's `trainable` leaves dropout as it is. The saved network keeps its rate: it
                # is built again from the spec.
                layer.rate = row.attributes["rate"] if layer.trainable else 0.0


def freezing(plan: Plan, recipe: Recipe, *, new_layers: Sequence[str] = ()) -> Freezing:
    """Returns what a recipe freezes in a network.

    Raises:
      UserError: a layer group does not exist, everything or something new is frozen, or the epoch
        that unfreezes is outside the training or without frozen layer groups.
    """
    where = option_or_place(recipe, "freeze")
    rows = row_names_of(plan, recipe.freeze, where=where)
    if new := [name for name in new_layers if name in rows]:
        raise UserError(
            "the head is new and cannot be frozen: it is not trained yet",
            where=where,
            expected="layer groups of the backbone",
            found=f"freeze {', '.join(recipe.freeze)}, with new weights in {', '.join(new)}",
            hint="--freeze backbone",
        )
    if rows and not any(row.parameters for row in plan.rows if row.name not in rows):
        raise UserError(
            "everything is frozen: nothing is left to learn",
            where=where,
            expected="a layer group that is not frozen",
            found=", ".join(recipe.freeze),
            hint="--freeze backbone, which leaves the head to learn",
        )
    _check_unfreeze_at(recipe)
    return Freezing(plan, rows, None if recipe.unfreeze_at is None else recipe.unfreeze_at - 1)


def option_or_place(recipe: Recipe, field: str) -> Place | str | None:
    """Returns the place of a field in the recipe's file, or the option that set it."""
    place = recipe.where(field)
    return f"--{field.replace('_', '-')}" if place == recipe.where() else place


def _check_unfreeze_at(recipe: Recipe) -> None:
    if (epoch := recipe.unfreeze_at) is None:
        return
    where = option_or_place(recipe, "unfreeze_at")
    if not recipe.freeze:
        raise UserError(
            "there are no frozen layers to unfreeze",
            where=where,
            expected="frozen layer groups beside the epoch from which they are trained",
            found=f"epoch {epoch} and no layer groups",
            hint="name them with --freeze, or with `freeze` in the recipe",
        )
    if not 2 <= epoch <= recipe.epochs:
        raise UserError(
            "the epoch that unfreezes the layers is not within the training",
            where=where,
            expected=f"an epoch from 2 to {recipe.epochs}",
            found=str(epoch),
            hint="leave --unfreeze-at out to keep them frozen to the end",
        )


def trainable_before(plan: Plan, frozen: frozenset[str]) -> tuple[str, ...]:
    """Returns layer groups that learn before a frozen one, which is a likely mistake."""
    frozen_groups = {group_of(row, plan) for row in plan.rows if row.name in frozen}
    weighted = {group_of(row, plan) for row in plan.rows if row.parameters}
    groups = group_names(plan)
    last = max((groups.index(group) for group in frozen_groups), default=0)
    return tuple(group for group in groups[:last] if group in weighted - frozen_groups)


def param_groups(
    model: keras.Model, frozen: Freezing, recipe: Recipe, steps: int
) -> tuple[list[Any], list[ParamGroup]]:
    """Returns the variables that learn at some time, and the group of each."""
    rates, decays = (
        _Factors(frozen.plan, getattr(recipe, field), recipe.where(field))
        for field in ("rate_factors", "decay_factors")
    )
    first_steps = {} if frozen.until is None else dict.fromkeys(frozen.rows, frozen.until * steps)
    rows = {row.name: row for row in frozen.plan.rows}
    learning = []
    for layer in model.layers:  # In Keras's order, by which a checkpoint finds its variables.
        if layer.name in frozen.rows and frozen.until is None:
            continue
        row = rows[layer.name]
        is_last = row.tags.part == LOGITS
        begins = first_steps.get(layer.name, 0)
        for variable in layer.trainable_variables:
            rate, decay = rates.of(row, variable), decays.of(row, variable)
            learning.append((variable, ParamGroup(rate, begins, decay, is_last)))
    return [variable for variable, _ in learning], [group for _, group in learning]


class _Factors:
    """A recipe's factors of the learning rate or of the decay, by variable."""

    def __init__(self, plan: Plan, by_name: Mapping[str, float], where: Place | str | None) -> None:
        self._plan = plan
        self._by_group = group_factors(plan, by_name, where=where)
        self._bias, self._logits = (by_name.get(name, 1.0) for name in (BIAS, LOGITS))

    def of(self, row: Row, variable: Any) -> float:
        """Returns the factor of a variable of the layer that was built from a row."""
        factor = self._by_group[group_of(row, self._plan)]
        if row.tags.part == LOGITS:
            factor *= self._logits
        return factor * self._bias if variable.name in _BIASES else factor
