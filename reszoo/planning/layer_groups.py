"""Which rows are the stem, a stage, the head, the backbone? By tags, for freezing and rates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reszoo.errors import Place, UserError, did_you_mean
from reszoo.planning.rows import Plan, Row

BACKBONE = "backbone"
HEAD = "head"
BIAS = "bias"
"""No part: every bias, wherever it is."""
LOGITS = "logits"
"""No part: the last layer of the head, which gives the logits."""
_STEM = "stem"
_RANGE = re.compile(r"(\w+)\.\.(\w+)")


def group_names(plan: Plan) -> tuple[str, ...]:
    """The network's parts from the image to the logits: `stem`, `stage1`, `stage2`.., `head`."""
    return (*plan.stages, HEAD)


def group_of(row: Row, plan: Plan) -> str:
    """The part a row belongs to. What follows a stage's blocks (its pool, the last normalisation
    of a pre-activation net) is of that stage.
    """
    if row.tags.stage is not None:
        return f"stage{row.tags.stage}"
    if row.tags.role == "final_norm":
        return group_names(plan)[-2]
    return HEAD if row.tags.role == HEAD else _STEM


def resolve_groups(
    plan: Plan, words: Iterable[str], *, where: Place | str | None = None
) -> frozenset[str]:
    """The parts that words name, each just itself: `stage3` is stage 3 and nothing before it.

    Args:
      plan: the network.
      words: `stem`, `stage1`.., `head`; `stem..stage3` for all from the one to the other;
        `backbone` for everything but the head.
      where: where the words stand, for errors.

    Raises:
      UserError: a word names no part of this network.
    """
    return frozenset(part for word in words for part in _parts(plan, word, where))


def _parts(plan: Plan, word: str, where: Place | str | None) -> tuple[str, ...]:
    parts = group_names(plan)
    if word == BACKBONE:
        return parts[:-1]
    if found := _RANGE.fullmatch(word):
        first, last = (_known(parts, end, where) for end in found.groups())
        return parts[parts.index(first) : parts.index(last) + 1]
    return (_known((*parts, BACKBONE), word, where),)


def _known(parts: tuple[str, ...], word: str, where: Place | str | None) -> str:
    if word in parts:
        return word
    raise UserError(
        f"the network has no part '{word}'",
        where=where,
        expected=f"{', '.join(parts)}, or a range such as stem..stage2",
        found=repr(word),
        hint=did_you_mean(word, parts),
    )


def row_names_in(plan: Plan, parts: frozenset[str]) -> frozenset[str]:
    """The names of the rows of these parts."""
    return frozenset(row.name for row in plan.rows if group_of(row, plan) in parts)


def group_factors(
    plan: Plan, given: Mapping[str, float], *, where: Place | str | None = None
) -> dict[str, float]:
    """The factor of every part: its own where given, else the backbone's, else 1.

    Args:
      plan: the network.
      given: factors by `stem`, `stage1`.., `head`, or `backbone` for all but the head. Those of
        `bias` and `logits` are passed over.
      where: where they are given, for errors.

    Raises:
      UserError: a name is no part of this network.
    """
    parts = group_names(plan)
    for word in given:
        _known((*parts, BACKBONE, BIAS, LOGITS), word, where)
    rest = given.get(BACKBONE, 1.0)
    return {part: given.get(part, 1.0 if part == HEAD else rest) for part in parts}
