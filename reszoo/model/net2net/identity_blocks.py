"""Weights that make a residual or highway block the identity and still let it learn.

He 2015, section 1: a deeper net can consist of a shallower one and identity layers. That takes
y = x for every input x of the block, and a gradient for some of its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reszoo.errors import UserError
from reszoo.model.net2net.nonnegative import nonnegative_outputs
from reszoo.planning.rows import Plan, Row
from reszoo.planning.transforms import transform
from reszoo.spec import registry
from reszoo.spec.architecture import Architecture
from reszoo.spec.block_fields import Block

IDENTITY = "identity"
"""The value of a kernel that passes each channel unchanged."""

OPEN_BIAS = 20.0
"""Its sigmoid is 1 in float32, and that of its negative so small that 1 minus it is 1."""

_NORMS = ("norm", "group_norm")
_WEIGHTED = ("conv", "dense", *_NORMS)
_IDEMPOTENT = ("relu", "relu6", "none")
"""Activations that change nothing when applied a second time."""
_FLAT_AT_ZERO = ("relu", "relu6")
"""Activations whose gradient at 0 is 0."""


@dataclass(frozen=True, slots=True)
class WeightValue:
    """A value for all elements of one weight of a row."""

    row: str
    weight: str
    """Keras's name: kernel, bias, gamma, beta or factor."""
    value: float | str
    """A number, or `IDENTITY`."""


@dataclass(frozen=True, slots=True)
class IdentityBlock:
    """Weights that make a block the identity."""

    values: tuple[WeightValue, ...]
    gated: bool
    """Whether y = x only up to a nearly closed gate: y = x + T (H - x) with a small T."""


def identity_block(
    plan: Plan, spec: Architecture, stage: int, block: int, *, gate_bias: float
) -> IdentityBlock:
    """Returns the weights that make a block the identity; stages and blocks count from 1.

    The block must keep the shape of its input and follow another block of its stage. A transform
    gate that must be closed gets `gate_bias`.

    Raises:
      UserError: no weights make it the identity, or only weights that could never learn.
    """
    rows = [row for row in plan.rows if (row.tags.stage, row.tags.block) == (stage, block)]
    return _IdentitySolver(plan, spec, spec.stage_block(stage - 1), rows, stage, gate_bias).solve()


def last_weighted(rows: Sequence[Row]) -> Row:
    """Returns the last layer of H that has weights, among the rows of one block."""
    return [row for row in rows if row.tags.role == "transform" and row.op in _WEIGHTED][-1]


@dataclass(frozen=True, slots=True)
class _IdentitySolver:
    """Finds the weights that make one block the identity."""

    plan: Plan
    spec: Architecture
    block: Block
    rows: Sequence[Row]
    stage: int
    gate_bias: float

    @property
    def order(self) -> str:
        return self.block.order or transform(self.block.transform).default_order

    def solve(self) -> IdentityBlock:
        self._check_shortcut()
        self._check_merge()
        connection, gate = self.block.connection, self.block.gate
        if connection == "scaled":
            scale = self._row("merge", ("scale",))
            return IdentityBlock((WeightValue(scale.name, "factor", 0.0),), gated=False)
        if connection == "highway" and gate.coupled:
            return self._coupled_highway()
        if connection == "highway":
            return self._uncoupled_highway()
        values = self._zero_transform()
        if connection == "shortcut_gate":
            values += self._constant_gate("carry_gate", -OPEN_BIAS)
        return IdentityBlock(values, gated=False)

    def _check_shortcut(self) -> None:
        """Refuses a shortcut that does not pass x unchanged."""
        connection, constants = self.block.connection, self.block.constants
        if connection == "plain":
            raise self._refusal("a plain block has no shortcut that passes x", "connection")
        if connection not in registry.CONNECTIONS:
            why = f"the registered connection '{connection}' has unknown effects"
            raise self._refusal(why, "connection")
        if self.block.shortcut.kind == "projection_all":
            why = "every shortcut projects and normalises (option C), and none passes x unchanged"
            raise self._refusal(why, "shortcut")
        if connection == "constant" and constants.carry != 1.0:
            why = f"the shortcut is multiplied by {constants.carry:g} in every block"
            raise self._refusal(why, "constants")

    def _check_merge(self) -> None:
        """Refuses a norm or activation after the addition that would change x."""
        normalized = any(row.tags.part == "norm" for row in self._rows_of("merge"))
        if self.order == "bn_after_add" and normalized:
            why = "a normalisation follows the addition, and would need the statistics of x"
            raise self._refusal(why, "order")
        function = self.block.activation or self.spec.activation
        if self.order in ("post", "bn_after_add") and function not in _IDEMPOTENT:
            why = f"'{function}' follows the addition, and changes x, which passed it before"
            raise self._refusal(why, "activation")

    def _coupled_highway(self) -> IdentityBlock:
        """y = x + T (H - x): makes H = x if possible, else nearly closes the gate."""
        if (values := self._identity_transform()) is not None:
            return IdentityBlock(values, gated=False)
        return IdentityBlock(self._constant_gate("transform_gate", self.gate_bias), gated=True)

    def _uncoupled_highway(self) -> IdentityBlock:
        """y = C x + T H: makes C = 1, and H = 0 or its gate nearly closed."""
        carry = self._constant_gate("carry_gate", OPEN_BIAS)
        if self._zero_has_no_gradient():
            closed = self._constant_gate("transform_gate", self.gate_bias)
            return IdentityBlock((*carry, *closed), gated=True)
        return IdentityBlock((*carry, *self._zero_transform()), gated=False)

    def _identity_transform(self) -> tuple[WeightValue, ...] | None:
        """H = x, for one layer and an activation that passes x; None for any other H."""
        layers = self._rows_of("transform")
        single = self.block.transform in ("conv", "dense") and not self._rows_of("attention")
        if not single or self._rows_of("preactivation") or any(row.op in _NORMS for row in layers):
            return None
        passes_relu = layers[0].inputs[0] in nonnegative_outputs(self.plan)
        passing = ("none", "relu") if passes_relu else ("none",)
        functions = [row.attributes["function"] for row in layers if row.op == "activation"]
        if any(function not in passing for function in functions):
            return None
        last = last_weighted(layers)
        return (WeightValue(last.name, "kernel", IDENTITY), *_bias(last, 0.0))

    def _zero_transform(self) -> tuple[WeightValue, ...]:
        """H = 0, with a gradient for the weights."""
        if self._zero_has_no_gradient():
            raise self._refusal(
                f"H ends in '{self._last_activation()}', whose gradient at 0 is 0: the block would "
                "always be the identity",
                "order",
            )
        last = last_weighted(self._rows_of("transform"))
        if last.op in _NORMS:
            return (WeightValue(last.name, "gamma", 0.0), WeightValue(last.name, "beta", 0.0))
        return (WeightValue(last.name, "kernel", 0.0), *_bias(last, 0.0))

    def _zero_has_no_gradient(self) -> bool:
        if self.block.transform not in registry.TRANSFORMS:
            why = f"the registered transform '{self.block.transform}' has unknown effects"
            raise self._refusal(why, "transform")
        return self._last_activation() in _FLAT_AT_ZERO

    def _last_activation(self) -> str | None:
        """Returns the activation after the last weights of H, if any."""
        layers = self._rows_of("transform")
        after = layers[layers.index(last_weighted(layers)) :]
        return next((row.attributes["function"] for row in after if row.op == "activation"), None)

    def _constant_gate(self, role: str, bias: float) -> tuple[WeightValue, ...]:
        """A gate with the same value for every input."""
        layer = self._row(role, ("conv", "dense"))
        return (WeightValue(layer.name, "kernel", 0.0), *_bias(layer, bias))

    def _row(self, role: str, ops: Sequence[str]) -> Row:
        return next(row for row in self._rows_of(role) if row.op in ops)

    def _rows_of(self, role: str) -> list[Row]:
        return [row for row in self.rows if row.tags.role == role]

    def _refusal(self, why: str, field: str) -> UserError:
        return UserError(
            f"{self.spec.name} cannot be deepened in stage {self.stage}: {why}",
            where=self.spec.where("stages", self.stage - 1, field),
            expected="blocks that can be the identity",
            found=f"connection {self.block.connection}, order {self.order}",
            hint="deepen other stages, or train a deeper network from the start",
        )


def _bias(row: Row, value: float) -> tuple[WeightValue, ...]:
    return (WeightValue(row.name, "bias", value),) if row.attributes["bias"] else ()
