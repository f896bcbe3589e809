"""With which weights is a block of a net the identity, and still able to learn?

He 2015, section 1: a deeper net can be made of a shallower one and identity layers. What must hold
is y = x for every x the block may get, and a gradient for some of its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reszoo.errors import UserError
from reszoo.model.net2net.nonnegative import nonnegative
from reszoo.planning.rows import Plan, Ref, Row
from reszoo.planning.transforms import transform
from reszoo.spec import registry
from reszoo.spec.architecture import Architecture, Block

IDENTITY = "identity"
"""The value of a `Change` that makes a kernel pass each channel as it is."""

OPEN = 20.0
"""A sigmoid of this is 1 in float32, and of its negative so small that 1 minus it is 1."""

_WEIGHTED = ("conv", "dense", "norm")
_IDEMPOTENT = ("relu", "relu6", "none")
"""Activations that change nothing more when they come twice."""
_FLAT_AT_ZERO = ("relu", "relu6")
"""Activations whose gradient at 0 is 0."""


@dataclass(frozen=True, slots=True)
class Change:
    """One weight of a row and what it shall hold everywhere."""

    row: str
    weight: str
    """Keras's name: kernel, bias, gamma, beta, factor."""
    value: float | str
    """A number, or `IDENTITY`."""


@dataclass(frozen=True, slots=True)
class IdentityBlock:
    """What makes a block the identity."""

    changes: tuple[Change, ...]
    gated: bool
    """Whether it is so only as far as a gate is shut: y = x + T (H - x) with a small T."""


def identity_block(
    plan: Plan, spec: Architecture, stage: int, block: int, *, gate_bias: float
) -> IdentityBlock:
    """What makes a block the identity that has the input's shape and follows another of its stage.

    Args:
      plan: of the spec, with the block in it.
      spec: the network.
      stage: its stage, from 1.
      block: which block of it, from 1.
      gate_bias: of a transform gate that has to be shut.

    Raises:
      UserError: no weights make it the identity, or only weights that could never learn.
    """
    rows = [row for row in plan.rows if (row.tags.stage, row.tags.block) == (stage, block)]
    return _Maker(plan, spec, spec.stage_block(stage - 1), rows, stage, gate_bias).make()


def last_weighted(rows: Sequence[Row]) -> Row:
    """The last layer of H that has weights, among the rows of one block."""
    return [row for row in rows if row.tags.role == "transform" and row.op in _WEIGHTED][-1]


def order_of(block: Block) -> str:
    """The order of a block: as given, or its transform's."""
    return block.order or transform(block.transform).default_order


@dataclass(frozen=True, slots=True)
class _Maker:
    """The block while it is looked at."""

    plan: Plan
    spec: Architecture
    block: Block
    rows: Sequence[Row]
    stage: int
    gate_bias: float

    def make(self) -> IdentityBlock:
        self._require_a_free_shortcut()
        self._require_a_free_end()
        connection, gate = self.block.connection, self.block.gate
        if connection == "scaled":
            scale = self._one("merge", ("scale",))
            return IdentityBlock((Change(scale.name, "factor", 0.0),), gated=False)
        if connection == "highway" and gate.coupled:
            return self._coupled()
        if connection == "highway":
            return self._uncoupled()
        if connection == "shortcut_gate":
            return IdentityBlock((*self._silent(), *self._set("carry_gate", -OPEN)), gated=False)
        return IdentityBlock(self._silent(), gated=False)

    def _require_a_free_shortcut(self) -> None:
        connection, constants = self.block.connection, self.block.constants
        if connection == "plain":
            raise self._refused("a plain block has no shortcut on which x could pass", "connection")
        if connection not in registry.CONNECTIONS:
            raise self._refused(
                f"what the registered connection '{connection}' does is not known", "connection"
            )
        if self.block.shortcut.kind == "projection_all":
            raise self._refused(
                "every shortcut projects and normalises (option C), so none passes x as it is",
                "shortcut",
            )
        if connection == "constant" and constants.carry != 1.0:
            raise self._refused(
                f"the shortcut is multiplied by {constants.carry:g} in every block", "constants"
            )

    def _require_a_free_end(self) -> None:
        """What follows the addition must leave x as it is."""
        order = order_of(self.block)
        if order == "bn_after_add" and any(row.tags.part == "norm" for row in self._of("merge")):
            raise self._refused(
                "a normalisation follows the addition, and would have to know the statistics of "
                "what passes",
                "order",
            )
        function = self.block.activation or self.spec.activation
        if order in ("post", "bn_after_add") and function not in _IDEMPOTENT:
            raise self._refused(
                f"'{function}' follows the addition, and changes what went through it once already",
                "activation",
            )

    def _coupled(self) -> IdentityBlock:
        """y = x + T (H - x): an H that is x if there is one, else a gate that is nearly shut."""
        if (passing := self._passing()) is not None:
            return IdentityBlock(passing, gated=False)
        return IdentityBlock(self._set("transform_gate", self.gate_bias), gated=True)

    def _uncoupled(self) -> IdentityBlock:
        """y = C x + T H: C is 1, and H is 0 or its gate nearly shut."""
        opened = self._set("carry_gate", OPEN)
        if self._silence_is_deaf():
            shut = self._set("transform_gate", self.gate_bias)
            return IdentityBlock((*opened, *shut), gated=True)
        return IdentityBlock((*opened, *self._silent()), gated=False)

    def _passing(self) -> tuple[Change, ...] | None:
        """H = x, with one layer that passes what it gets and an activation that lets it through;
        None where H has more to it.
        """
        layers = self._of("transform")
        single = self.block.transform in ("conv", "dense") and not self._of("attention")
        if not single or self._of("preactivation") or any(row.op == "norm" for row in layers):
            return None
        x = layers[0].inputs[0]
        for row in layers:
            function = row.attributes["function"] if row.op == "activation" else "none"
            if function != "none" and not (function == "relu" and self._is_nonnegative(x)):
                return None
        last = last_weighted(layers)
        return (Change(last.name, "kernel", IDENTITY), *_bias(last, 0.0))

    def _is_nonnegative(self, x: Ref) -> bool:
        return x in nonnegative(self.plan)

    def _silent(self) -> tuple[Change, ...]:
        """H = 0 in a way that can be unlearned."""
        if self._silence_is_deaf():
            raise self._refused(
                f"H ends in '{self._ending()}', whose gradient at 0 is 0: the block would be the "
                "identity for ever",
                "order",
            )
        last = last_weighted(self._of("transform"))
        if last.op == "norm":
            return (Change(last.name, "gamma", 0.0), Change(last.name, "beta", 0.0))
        return (Change(last.name, "kernel", 0.0), *_bias(last, 0.0))

    def _silence_is_deaf(self) -> bool:
        if self.block.transform not in registry.TRANSFORMS:
            raise self._refused(
                f"what the registered transform '{self.block.transform}' does is not known",
                "transform",
            )
        return self._ending() in _FLAT_AT_ZERO

    def _ending(self) -> str | None:
        """The activation that H ends in, if it does."""
        layers = self._of("transform")
        after = layers[layers.index(last_weighted(layers)) :]
        return next((row.attributes["function"] for row in after if row.op == "activation"), None)

    def _set(self, role: str, bias: float) -> tuple[Change, ...]:
        """A gate that is the same everywhere, whatever it reads."""
        layer = self._one(role, ("conv", "dense"))
        return (Change(layer.name, "kernel", 0.0), *_bias(layer, bias))

    def _one(self, role: str, ops: Sequence[str]) -> Row:
        return next(row for row in self._of(role) if row.op in ops)

    def _of(self, role: str) -> list[Row]:
        return [row for row in self.rows if row.tags.role == role]

    def _refused(self, why: str, field: str) -> UserError:
        return UserError(
            f"{self.spec.name} cannot be deepened in stage {self.stage}: {why}",
            where=self.spec.where("stages", self.stage - 1, field),
            expected="blocks that some weights make the identity",
            found=f"connection {self.block.connection}, order {order_of(self.block)}",
            hint="deepen other stages, or train a deeper network from the start",
        )


def _bias(row: Row, value: float) -> tuple[Change, ...]:
    return (Change(row.name, "bias", value),) if row.attributes["bias"] else ()
