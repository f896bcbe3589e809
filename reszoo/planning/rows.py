"""Plans and rows: a network as one row per Keras layer, for both cost and graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Shape = tuple[int, ...]
"""Shape of one example, without the batch: (height, width, channels) or (features,)."""

BRANCH_ROLES = ("shortcut", "attention", "transform_gate", "carry_gate")
"""Roles of rows beside the main path, which do not count as depth."""


class Ref(NamedTuple):
    """One output of a row."""

    row: str
    output: int = 0


class Tags(NamedTuple):
    """Role and position of a row in the network, so that names need not be parsed.

    role is one of stem, preactivation, transform, attention, shortcut, transform_gate, carry_gate,
    merge, pool, final_norm, head; part distinguishes rows of a role (conv1, norm2, se_reduce).
    Stages and blocks count from 1; the stem and the head have neither.
    """

    role: str
    part: str
    stage: int | None = None
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One layer: op, inputs, attributes, and its cost for one example."""

    name: str
    """Name of the Keras layer, such as `stage1_block2_conv1`, which identifies its weights."""
    op: str
    """Kind of layer; `reszoo.planning.ops` lists all ops with their attributes."""
    inputs: tuple[Ref, ...]
    shape: Shape
    tags: Tags
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parameters: int = 0
    """Trainable weights."""
    other_parameters: int = 0
    """Non-trainable weights: moving means and variances, a mean image."""
    macs: int = 0
    """Multiply-adds of convolutions and dense layers."""
    precision: str | None = None
    """`float32` if the layer must not run in the lower precision of the model."""
    stands_for: tuple[str, ...] = ()
    """In a rewritten plan: the canonical rows this row replaces."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A network as topologically sorted rows; the first is the input.

    `outputs` are the outputs of the model: the logits, or the last feature map without a head.
    `stages` maps `stem` and `stage1`.. to the rows of their feature maps.
    """

    name: str
    rows: tuple[Row, ...]
    outputs: tuple[Ref, ...]
    stages: Mapping[str, Ref]

    def row(self, name: str) -> Row:
        """Returns the row of a name; raises KeyError."""
        return {row.name: row for row in self.rows}[name]
