"""Layer groups: stem, stages, head and backbone, for freezing and learning rate multipliers.

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
