"""The stage table of a network, as in the papers (He 2015, Table 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reszoo.planning.rows import BRANCH_ROLES, Plan, Row, Shape
from reszoo.spec.per_axis import short, times


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One line of the table: the stem, a stage, its pool, or the head."""

    name: str
    output: Shape
    layers: tuple[str, ...]
    """The weighted layers of one block (or of the stem or head), such as `3x3, 64`."""
    blocks: int
    """Number of repetitions of the layers; 1 for the stem and the head."""
    gated: bool
    """Whether the blocks have gates."""
    parameters: int
    macs: int


def stage_table(plan: Plan) -> tuple[StageSummary, ...]:
    """Returns the table from stem to head; a stage shows its last block, which repeats.

    Examples:
      >>> from reszoo.planning.network import plan
      >>> from reszoo.spec import load
      >>> stage = stage_table(plan(load("resnet50")))[2]
      >>> stage.name, stage.blocks, stage.layers
      ('stage 2', 4, ('1x1, 128', '3x3, 128', '1x1, 512'))
    """
    groups: dict[str, list[Row]] = {}
    for row in plan.rows:
        groups.setdefault(_group_of(row), []).append(row)
    return tuple(_summarize(name, rows) for name, rows in groups.items())


def _group_of(row: Row) -> str:
    if row.tags.role == "pool":
        return f"pool {row.tags.stage}"
    if row.tags.stage is not None:
        return f"stage {row.tags.stage}"
    return "stem" if row.tags.role == "stem" else "head"


def _summarize(name: str, rows: list[Row]) -> StageSummary:
    blocks = max((row.tags.block or 1) for row in rows)
    repeated = [row for row in rows if row.tags.block in (None, blocks)]
    return StageSummary(
        name=name,
        output=rows[-1].shape,
        layers=tuple(_layers(repeated)),
        blocks=blocks,
        gated=any(row.tags.role.endswith("_gate") for row in rows),
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
    )


def _layers(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        if row.tags.role in BRANCH_ROLES:
            continue
        values = row.attributes
        if row.op == "conv":
            groups = f", groups {values['groups']}" if values["groups"] > 1 else ""
            stride = f", /{short(values['stride'])}" if values["stride"] != 1 else ""
            yield f"{times(values['kernel'])}, {values['filters']}{groups}{stride}"
        elif row.op == "dense":
            yield f"dense {values['units']}"
        elif row.op in ("max_pool", "average_pool"):
            kind = row.op.removesuffix("_pool")
            yield f"{times(values['size'])} {kind} pool, /{short(values['stride'])}"
        elif row.op in ("global_average_pool", "global_max_pool"):
            yield row.op.removesuffix("_pool").replace("_", " ") + " pool"
