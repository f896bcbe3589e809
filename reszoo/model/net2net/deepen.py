"""How does a trained net get more blocks and stay the same function?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.copy_weights import pair_weights
from reszoo.model.net2net.identity_blocks import IDENTITY, Change, identity_block, last_weighted
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Row, Tags
from reszoo.spec.architecture import Architecture

GATE_BIAS = -6.0
"""Of gates that must be shut. T is 1/400 then: an image's logits hardly move, and the gate can
still be learned open, which at -20 it never would be (its gradient is T times that of y)."""

_SHARED = ("residual", "stochastic", "constant", "scaled")
"""Connections whose H may be multiplied by a number, which its last layer can do."""
_HOMOGENEOUS = ("relu", "leaky_relu", "none")


@dataclass(frozen=True, slots=True)
class DeepenedModel:
    """A deepened network."""

    model: keras.Model
    """Canonical float32 layers."""
    spec: Architecture
    gate: float | None
    """How far each new highway block moves its input towards H at first; None where all new blocks
    are the identity to rounding."""


def deepen_model(
    model: keras.Model,
    spec: Architecture,
    depths: Sequence[int],
    *,
    seed: int | None = None,
    gate_bias: float = GATE_BIAS,
) -> DeepenedModel:
    """The network with more blocks and the same function.

    New blocks come at the end of their stage; before its last block where that one strides.

    Args:
      model: of `spec`, with its head.
      spec: the model's architecture.
      depths: blocks of each stage, at least as many as there are.
      seed: of the new blocks' weights.
      gate_bias: of gates that have to be shut, where no other weights make a new highway block the
        identity.

    Raises:
      UserError: the depths are not possible ones, or a block of the net cannot be the identity.
    """
    _require_depths(spec, depths)
    deeper = _with_depths(spec, depths)
    before, after = plan(spec), plan(deeper)
    places = _Places(spec, depths)
    blocks = [
        identity_block(after, deeper, stage, block, gate_bias=gate_bias)
        for stage, block in places.new_blocks()
    ]
    quotients = dict(_survival_quotients(before, after, places, deeper))
    network = build(deeper, seed=seed)
    layers = {layer.name: layer for layer in network.layers}
    _copy(model, before, {row.tags: layers[row.name] for row in after.rows}, places)
    for change in (change for block in blocks for change in block.changes):
        _apply(change, layers[change.row])
    for name, quotient in quotients.items():
        _multiply(layers[name], quotient)
    gated = any(block.gated for block in blocks)
    return DeepenedModel(network, deeper, float(1 / (1 + np.exp(-gate_bias))) if gated else None)


class _Places:
    """Where the blocks of the shallow net stand in the deep one. All count from 1."""

    def __init__(self, spec: Architecture, depths: Sequence[int]) -> None:
        self._old = tuple(stage.depth for stage in spec.stages)
        self._new = tuple(depths)
        self._last_stays = tuple(
            stage.stride > 1 and spec.stage_block(index).strided_block == "last"
            for index, stage in enumerate(spec.stages)
        )
        self._require_room(spec)

    def _require_room(self, spec: Architecture) -> None:
        for index, stays in enumerate(self._last_stays):
            if stays and self._old[index] == 1 and self._new[index] > 1:
                raise UserError(
                    f"{spec.name} cannot be deepened in stage {index + 1}: its only block changes "
                    "the width, which the first does, and strides, which the last does",
                    where=spec.where("stages", index, "depth"),
                    expected="a stage of two blocks or more, or `strided_block: first`",
                    found="one block, strided_block: last",
                )

    def of(self, tags: Tags) -> Tags:
        """The tags in the deep net of a row in the shallow one."""
        if tags.stage is None or tags.block is None:
            return tags
        return tags._replace(block=self._moved(tags.stage, tags.block))

    def new_blocks(self) -> Iterator[tuple[int, int]]:
        """Stage and block of each new block."""
        for stage, (old, new) in enumerate(zip(self._old, self._new, strict=True), start=1):
            taken = {self._moved(stage, block) for block in range(1, old + 1)}
            yield from ((stage, block) for block in range(1, new + 1) if block not in taken)

    def _moved(self, stage: int, block: int) -> int:
        last = self._last_stays[stage - 1] and block == self._old[stage - 1]
        return self._new[stage - 1] if last else block


def _require_depths(spec: Architecture, depths: Sequence[int]) -> None:
    there = [stage.depth for stage in spec.stages]
    words = {"found": ", ".join(map(str, depths)) or "none"}
    if len(depths) != len(there):
        raise UserError(
            f"{spec.name} has {len(there)} stages, not {len(depths)}",
            expected=f"a depth for each stage, which are {', '.join(map(str, there))} blocks deep",
            **words,
        )
    if any(new < old for new, old in zip(depths, there, strict=True)):
        raise UserError(
            f"a deepened {spec.name} cannot have fewer blocks in a stage",
            expected=f"{', '.join(map(str, there))} or more",
            **words,
        )
    if list(depths) == there:
        raise UserError(
            f"{spec.name} is as deep already", expected="more blocks in some stage", **words
        )


def _with_depths(spec: Architecture, depths: Sequence[int]) -> Architecture:
    stages = tuple(
        stage.model_copy(update={"depth": depth})
        for stage, depth in zip(spec.stages, depths, strict=True)
    )
    title = f"{spec.name}, deepened to {', '.join(map(str, depths))} blocks"
    told = {"title": title, "source": None, "published": None, "weights": None}
    return spec.model_copy(update={"stages": stages, **told})


def _copy(
    model: keras.Model, rows: Plan, layers: Mapping[Tags, keras.layers.Layer], places: _Places
) -> None:
    """Gives every row of the shallow net its weights in the deep one."""
    old = {layer.name: layer for layer in model.layers}
    pairs = []
    for row in rows.rows:
        if row.parameters or row.other_parameters:
            pairs += pair_weights(old.get(row.name), layers[places.of(row.tags)], model)
    for here, there in pairs:
        there.assign(here.value)


def _apply(change: Change, layer: keras.layers.Layer) -> None:
    variable = {weight.name: weight for weight in layer.weights}[change.weight]
    if change.value == IDENTITY:
        variable.assign(_passing_kernel(variable.shape))
    else:
        variable.assign(np.full(variable.shape, change.value, np.float32))


def _passing_kernel(shape: tuple[int, ...]) -> np.ndarray:
    """A kernel, (units, units) or (height, width, channels of a group, channels), that changes
    nothing at stride 1.
    """
    kernel = np.zeros(shape, np.float32)
    # With an even side, the padding's odd pixel comes after (TensorFlow's `same`).
    centre = tuple((side - 1) // 2 for side in shape[:-2])
    for channel in range(shape[-1]):
        kernel[(*centre, channel % shape[-2], channel)] = 1.0
    return kernel


def _survival_quotients(
    before: Plan, after: Plan, places: _Places, spec: Architecture
) -> Iterator[tuple[str, float]]:
    """By layer of the deep net: what H must be multiplied by, as its block survives otherwise.

    With linear decay (Huang 2016) a block's probability, by which inference multiplies H, goes by
    the depth of the whole net.
    """
    new = {row.tags: row for row in after.rows}
    for row in before.rows:
        if row.tags.part != "survival_probability":
            continue
        tags = places.of(row.tags)
        quotient = row.attributes["scale"] / new[tags].attributes["scale"]
        if quotient != 1.0:
            yield _multiplied(after, tags, spec), quotient


def _multiplied(after: Plan, tags: Tags, spec: Architecture) -> str:
    """The layer of a block that multiplies its H when its own weights are multiplied."""
    rows = [row for row in after.rows if row.tags[2:] == tags[2:]]
    block = spec.stage_block((tags.stage or 1) - 1)
    if block.connection == "scaled":
        return next(row.name for row in rows if row.op == "scale")
    last = last_weighted(rows)
    behind: list[Row] = rows[rows.index(last) + 1 :]
    functions = [
        row.attributes["function"]
        for row in behind
        if row.tags.role == "transform" and row.op == "activation"
    ]
    plain = block.attention.kind == "none" and all(one in _HOMOGENEOUS for one in functions)
    if block.connection not in _SHARED or not plain:
        raise UserError(
            f"{spec.name} cannot be deepened: how likely a block survives goes by the depth of the "
            "whole net, and H cannot take up the difference",
            where=spec.where("block", "survival_decay"),
            expected="blocks whose last layer can multiply H, or `survival_decay: constant`",
            found=f"connection {block.connection}, attention {block.attention.kind}",
        )
    return last.name


def _multiply(layer: keras.layers.Layer, factor: float) -> None:
    for weight in layer.trainable_variables:
        weight.assign(weight.numpy() * np.float32(factor))
