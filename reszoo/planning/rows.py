"""A plan: the network as rows, one per Keras layer. The single truth for cost and for the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Shape = tuple[int, ...]
"""Shape of one example, without the batch: (height, width, channels) or (features,)."""


class Ref(NamedTuple):
    """One output of a row."""

    row: str
    output: int = 0


class Tags(NamedTuple):
    """What a row is in the network, so that nobody parses names.

    role is one of stem, preactivation, transform, attention, shortcut, transform_gate, carry_gate,
    merge, pool, final_norm, head; part names what repeats inside a role (conv1, norm2, se_reduce).
    Stages and blocks count from 1; the stem and the head have neither.
    """

    role: str
    part: str
    stage: int | None = None
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One layer: what it computes, from what, and what that costs for one example."""

    name: str
    """Also the Keras layer's name, e.g. `stage1_block2_conv1`; weights travel by it."""
    op: str
    """What the layer computes; `reszoo.planning.ops` lists every op with its attributes."""
    inputs: tuple[Ref, ...]
    shape: Shape
    tags: Tags
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parameters: int = 0
    """Trainable weights."""
    other_parameters: int = 0
    """Weights that no gradient changes: moving means and variances, a mean image."""
    macs: int = 0
    """Multiply-adds of convolutions and dense layers."""
    precision: str | None = None
    """`float32` where the layer must not run in the build's lower precision."""
    stands_for: tuple[str, ...] = ()
    """In a rewritten plan: the canonical rows that this row replaces."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A network as rows in an order in which each row comes after its inputs; the first is the
    input.

    `outputs` names what the model returns: the logits, or with no head the last feature map.
    `stages` gives each named feature map, `stem` and `stage1`.., as the row that holds it.
    """

    name: str
    rows: tuple[Row, ...]
    outputs: tuple[Ref, ...]
    stages: Mapping[str, Ref]

    def row(self, name: str) -> Row:
        """The row of that name. Raises KeyError."""
        return self._index()[name]

    def _index(self) -> dict[str, Row]:
        return {row.name: row for row in self.rows}
