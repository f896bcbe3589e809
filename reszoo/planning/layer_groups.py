"""Layer groups: stem, stages, blocks, head and backbone, for freezing and learning rates.

Rows are grouped by their tags. The counterpart of timm's `group_matcher`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reszoo.errors import Place, UserError, did_you_mean
from reszoo.planning.rows import Plan, Row

BACKBONE = "backbone"
HEAD = "head"
BIAS = "bias"
"""Every bias of the network, whatever its layer group."""
LOGITS = "logits"
"""The last layer of the head, which outputs the logits."""
_STEM = "stem"
_BLOCK = re.compile(r"stage(\d+)\.block(\d+)")
_RANGE = re.compile(r"(\w+)\.\.(\w+)")


def group_names(plan: Plan) -> tuple[str, ...]:
    """Names of the layer groups from image to logits: `stem`, `stage1`, `stage2`.., `head`.

    Examples:
      >>> from reszoo.planning.network import plan
      >>> from reszoo.spec import load
      >>> group_names(plan(load("resnet20")))
      ('stem', 'stage1', 'stage2', 'stage3', 'head')
    """
    return (*plan.stages, HEAD)


def group_of(row: Row, plan: Plan) -> str:
    """Returns the layer group of a row.

    Layers after the blocks of a stage (its pool, the final norm of a pre-activation net) belong to
    that stage.
    """
    if row.tags.stage is not None:
        return f"stage{row.tags.stage}"
    if row.tags.role == "final_norm":
        return group_names(plan)[-2]
    return HEAD if row.tags.role == HEAD else _STEM


def resolve_groups(
    plan: Plan, names: Iterable[str], *, where: Place | str | None = None
) -> frozenset[str]:
    """Returns the layer groups of names, ranges such as `stem..stage3`, and `backbone`.

    `stage3` is stage 3 and nothing before it, `backbone` everything but the head. An unknown name
    raises a UserError at `where`.
    """
    return frozenset(group for name in names for group in _expand(plan, name, where))


def _expand(plan: Plan, name: str, where: Place | str | None) -> tuple[str, ...]:
    groups = group_names(plan)
    if name == BACKBONE:
        return groups[:-1]
    if match := _RANGE.fullmatch(name):
        first, last = (_require(groups, end, where) for end in match.groups())
        return groups[groups.index(first) : groups.index(last) + 1]
    return (_require((*groups, BACKBONE), name, where),)


def _require(groups: tuple[str, ...], name: str, where: Place | str | None) -> str:
    if name in groups:
        return name
    raise UserError(
        f"the network has no layer group '{name}'",
        where=where,
        expected=f"{', '.join(groups)}, or a range such as stem..stage2",
        found=repr(name),
        hint=did_you_mean(name, groups) or f"write {BACKBONE}, all but the head, or one of these",
    )


def row_names_of(
    plan: Plan, names: Iterable[str], *, where: Place | str | None = None
) -> frozenset[str]:
    """Returns the names of the rows of layer groups and of single blocks, `stage2.block3`.

    An unknown name raises a UserError at `where`.

    Examples:
      >>> from reszoo.planning.network import plan
      >>> from reszoo.spec import load
      >>> len(row_names_of(plan(load("resnet20")), ["stage2.block3"]))
      7
    """
    names = tuple(names)
    blocks = {name: _position(plan, name, where) for name in names if _BLOCK.fullmatch(name)}
    groups = resolve_groups(plan, (name for name in names if name not in blocks), where=where)
    chosen = set(blocks.values())
    own = (row.name for row in plan.rows if (row.tags.stage, row.tags.block) in chosen)
    return row_names_in(plan, groups) | frozenset(own)


def _position(plan: Plan, name: str, where: Place | str | None) -> tuple[int, int]:
    match = _BLOCK.fullmatch(name)
    assert match is not None
    stage, block = int(match[1]), int(match[2])
    positions = {(row.tags.stage, row.tags.block) for row in plan.rows if row.tags.block}
    if (stage, block) in positions:
        return stage, block
    depths = [number for of_stage, number in positions if of_stage == stage and number]
    last = f"stage{stage}.block{max(depths)}" if depths else f"{group_names(plan)[-2]}.block1"
    raise UserError(
        f"the network has no block '{name}'",
        where=where,
        expected="stageS.blockB, such as stage1.block1",
        found=repr(name),
        hint=f"write {last}, the last of its stage" if depths else f"write {last}",
    )


def row_names_in(plan: Plan, groups: frozenset[str]) -> frozenset[str]:
    """Names of the rows of layer groups."""
    return frozenset(row.name for row in plan.rows if group_of(row, plan) in groups)


def group_factors(
    plan: Plan, factors: Mapping[str, float], *, where: Place | str | None = None
) -> dict[str, float]:
    """Returns the factor of every layer group: its own, else the backbone's, else 1.

    Factors of `bias` and `logits` are ignored; an unknown name raises a UserError at `where`.
    """
    groups = group_names(plan)
    for name in factors:
        _require((*groups, BACKBONE, BIAS, LOGITS), name, where)
    backbone = factors.get(BACKBONE, 1.0)
    return {group: factors.get(group, 1.0 if group == HEAD else backbone) for group in groups}
