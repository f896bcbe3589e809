"""Blocks removed from a trained network: what remains computes as if they were closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import keras

from reszoo.errors import UserError
from reszoo.model.build import build_canonical
from reszoo.model.copy_weights import finalize_normalization, pair_weights
from reszoo.model.net2net.nonnegative import nonnegative_outputs
from reszoo.planning.block_chain import Segment, blocks_of
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref, Row, Tags
from reszoo.spec.architecture import Architecture

_IDEMPOTENT = ("relu", "relu6", "none")
"""Activations that change nothing where an activation of their kind came before."""

Position = tuple[int, int]
"""Stage and block, from 1."""


def removable_blocks(rows: Plan) -> tuple[Position, ...]:
    """Returns the blocks that are the identity once nothing is added to their shortcut."""
    passed = nonnegative_outputs(rows)
    return tuple(
        (block.stage or 0, block.block or 0)
        for block in blocks_of(rows)
        if _is_identity_closed(block, passed)
    )


def _is_identity_closed(block: Segment, nonnegative: Collection[Ref]) -> bool:
    addition, x = block.addition, block.inputs[0]
    if addition is None or addition.inputs[0] != x:
        return False
    after = block.rows[block.rows.index(addition) + 1 :]
    functions = [row.attributes.get("function") for row in after if row.op == "activation"]
    if len(functions) < len(after) or any(name not in _IDEMPOTENT for name in functions):
        return False
    return functions in ([], ["none"]) or x in nonnegative


def remove_blocks(
    model: keras.Model, spec: Architecture, blocks: Collection[Position]
) -> tuple[keras.Model, Architecture]:
    """Returns a trained network without some of its blocks, and its architecture.

    Args:
      model: canonical layers with the weights of `spec`, with its head.
      spec: the architecture of the model.
      blocks: positions of the blocks; each stage keeps one block or more.

    Raises:
      UserError: a block is not the identity when it is closed, a stage would be empty, or what
        remains depends on the depth of the net.
    """
    before = plan(spec)
    _check(spec, before, blocks)
    counts = Counter(stage for stage, _ in blocks)
    stages = tuple(
        stage.model_copy(update={"depth": stage.depth - counts[number]})
        for number, stage in enumerate(spec.stages, start=1)
    )
    shallower = spec.model_copy(
        update={
            "name": f"{spec.name}_pruned"[:100],
            "stages": stages,
            "title": f"{spec.name} without {len(blocks)} of its blocks",
            **dict.fromkeys(("source", "published", "weights")),
        }
    )
    after = plan(shallower)
    old_rows = {_new_tags(row.tags, blocks): row for row in before.rows if _stays(row, blocks)}
    pairs = [(old_rows[row.tags], row) for row in after.rows]
    _check_constants(spec, pairs)
    old_layers = {layer.name: layer for layer in model.layers}
    pruned = build_canonical(after)
    layers = {layer.name: layer for layer in pruned.layers}
    for old, new in pairs:
        if new.parameters or new.other_parameters:
            for source, target in pair_weights(old_layers.get(old.name), layers[new.name], model):
                target.assign(source)
    finalize_normalization(pruned)
    return pruned, shallower


def _stays(row: Row, blocks: Collection[Position]) -> bool:
    return (row.tags.stage, row.tags.block) not in blocks


def _new_tags(tags: Tags, blocks: Collection[Position]) -> Tags:
    if tags.block is None:
        return tags
    gone = sum(stage == tags.stage and block < tags.block for stage, block in blocks)
    return tags._replace(block=tags.block - gone)


def _check(spec: Architecture, rows: Plan, blocks: Collection[Position]) -> None:
    removable = removable_blocks(rows)
    for stage, block in blocks:
        if (stage, block) not in removable:
            raise UserError(
                f"block {block} of stage {stage} of {spec.name} cannot be removed",
                expected="a block that passes its input when nothing is added to it",
                found=f"connection {spec.stage_block(stage - 1).connection}, or another shape",
                hint="remove other blocks, or train a shallower network from the start",
            )
    for number, stage_spec in enumerate(spec.stages, start=1):
        if sum(stage == number for stage, _ in blocks) >= stage_spec.depth:
            raise UserError(
                f"stage {number} of {spec.name} would have no blocks",
                expected="one block or more in every stage",
                hint="keep one of its blocks",
            )


def _check_constants(spec: Architecture, pairs: Collection[tuple[Row, Row]]) -> None:
    """Refuses nets whose remaining blocks would compute with other constants."""
    for old, new in pairs:
        if new.op == "rescale" and old.attributes != new.attributes:
            raise UserError(
                f"blocks of {spec.name} cannot be removed: the survival probability of the others "
                "depends on the depth of the whole net",
                where=spec.where("block", "survival_decay"),
                expected="`survival_decay: constant`, or no stochastic depth",
                hint="write `survival_decay: constant` into the spec and train it again",
            )
