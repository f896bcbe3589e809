"""Which layers learn in an epoch, and how fast? Found by the plan's tags.

What is frozen runs as in inference: its weights do not move, nor do its statistics, its
normalisation uses those, and its dropout and stochastic depth rest.
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
    factors,
    named_parts,
    part_names,
    part_of,
    rows_in,
)
from reszoo.spec.recipe import Recipe
from reszoo.training.optimizers.param_groups import ParamGroup

_BIASES = ("bias", "beta")
"""Keras's names for what is added: by a layer, and by a normalisation."""


@dataclass(frozen=True, slots=True)
class Freezing:
    """Which rows of a plan are frozen, and until when."""

    plan: Plan
    rows: frozenset[str]
    """Names of the rows that are frozen at first; none where nothing is."""
    until: int | None
    """The epoch (from 0) in which they begin to learn; None: never."""

    def at(self, epoch: int) -> frozenset[str]:
        """The rows that are frozen in an epoch (from 0)."""
        opened = self.until is not None and epoch >= self.until
        return frozenset() if opened else self.rows

    def apply(self, model: keras.Model, epoch: int) -> None:
        """Makes the layers of a model what they are in an epoch (from 0)."""
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
    """What a recipe freezes in a network.

    Args:
      plan: the network.
      recipe: says the parts.
      new_layers: rows whose weights are not trained yet.

    Raises:
      UserError: it names no part of the network, freezes what is new or everything, or says when
        to open what is not frozen or when the training is over.
    """
    where = written_at(recipe, "freeze")
    rows = rows_in(plan, named_parts(plan, recipe.freeze, where=where))
    if new := [name for name in new_layers if name in rows]:
        raise UserError(
            "the head is new and cannot be frozen: it knows nothing yet",
            where=where,
            expected="the backbone, or parts of it",
            found=f"freeze {', '.join(recipe.freeze)}, with new weights in {', '.join(new)}",
            hint="--freeze backbone",
        )
    if rows and not any(row.parameters for row in plan.rows if row.name not in rows):
        raise UserError(
            "everything is frozen: nothing is left to learn",
            where=where,
            expected="one part or more that is not frozen",
            found=", ".join(recipe.freeze),
        )
    _require_an_opening(recipe)
    return Freezing(plan, rows, None if recipe.unfreeze_at is None else recipe.unfreeze_at - 1)


def written_at(recipe: Recipe, field: str) -> Place | str | None:
    """Where the recipe says a field; what its file does not say came from the option."""
    place = recipe.where(field)
    return f"--{field.replace('_', '-')}" if place == recipe.where() else place


def _require_an_opening(recipe: Recipe) -> None:
    if (epoch := recipe.unfreeze_at) is None:
        return
    where = written_at(recipe, "unfreeze_at")
    if not recipe.freeze:
        raise UserError(
            "nothing is frozen that could be opened",
            where=where,
            expected="frozen parts beside the epoch that opens them",
            found=f"epoch {epoch} and no parts",
            hint="say which with --freeze, or freeze: in the recipe",
        )
    if not 2 <= epoch <= recipe.epochs:
        raise UserError(
            "the frozen parts would not be opened within the training, or never be frozen",
            where=where,
            expected=f"an epoch from 2 to {recipe.epochs}",
            found=str(epoch),
            hint="leave --unfreeze-at out to keep them frozen to the end",
        )


def learns_before(plan: Plan, frozen: frozenset[str]) -> tuple[str, ...]:
    """Parts that learn though a frozen one comes after them: seldom what was meant."""
    held = {part_of(row, plan) for row in plan.rows if row.name in frozen}
    weighted = {part_of(row, plan) for row in plan.rows if row.parameters}
    parts = part_names(plan)
    last = max((parts.index(part) for part in held), default=0)
    return tuple(part for part in parts[:last] if part in weighted - held)


def paces(
    model: keras.Model, found: Freezing, recipe: Recipe, steps: int
) -> tuple[list[Any], list[ParamGroup]]:
    """The variables that learn at some time, and how.

    Args:
      model: of the plan, before anything is frozen in it.
      found: what is frozen.
      recipe: says the factors.
      steps: of an epoch.

    Raises:
      UserError: a factor is given for no part of the network.
    """
    rates, decays = (
        _Factors(found.plan, getattr(recipe, field), recipe.where(field))
        for field in ("rate_factors", "decay_factors")
    )
    late = {} if found.until is None else dict.fromkeys(found.rows, found.until * steps)
    rows = {row.name: row for row in found.plan.rows}
    learning = []
    for layer in model.layers:  # In Keras's order, by which a saved state finds its variables.
        if layer.name in found.rows and found.until is None:
            continue
        row = rows[layer.name]
        is_last = row.tags.part == LOGITS
        begins = late.get(layer.name, 0)
        for variable in layer.trainable_variables:
            rate, decay = (one.of(row, variable) for one in (rates, decays))
            learning.append((variable, ParamGroup(rate, begins, decay, is_last)))
    return [variable for variable, _ in learning], [pace for _, pace in learning]


class _Factors:
    """What a recipe multiplies by, of each variable."""

    def __init__(self, plan: Plan, given: Mapping[str, float], where: Place | str | None) -> None:
        self._plan = plan
        self._by_part = factors(plan, given, where=where)
        self._bias, self._logits = (given.get(word, 1.0) for word in (BIAS, LOGITS))

    def of(self, row: Row, variable: Any) -> float:
        """The factor of a variable of the layer that a row became."""
        factor = self._by_part[part_of(row, self._plan)]
        if row.tags.part == LOGITS:
            factor *= self._logits
        return factor * self._bias if variable.name in _BIASES else factor
