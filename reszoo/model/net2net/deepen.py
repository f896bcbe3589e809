"""Net2DeeperNet (Chen 2016): a trained network with more blocks that computes the same function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.copy_weights import pair_weights
from reszoo.model.net2net.identity_blocks import (
    IDENTITY,
    WeightValue,
    identity_block,
    last_weighted,
)
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Tags
from reszoo.spec.architecture import Architecture

GATE_BIAS = -6.0
"""Of gates that must be closed. T is then 1/400: an image's logits hardly change, and the gate can
still learn to open, unlike at -20 (its gradient is T times that of y)."""

_SCALABLE = ("residual", "stochastic", "constant", "scaled")
"""Connections whose H can be scaled through the weights of its last layer."""
_HOMOGENEOUS = ("relu", "leaky_relu", "none")


@dataclass(frozen=True, slots=True)
class DeepenedModel:
    """A deepened network."""

    model: keras.Model
    """Made of canonical float32 layers."""
    spec: Architecture
    gate: float | None
    """Initial transform gate T of the new highway blocks, which add T (H - x) to their input. None
    if all new blocks are the identity to rounding."""


def deepen_model(
    model: keras.Model,
    spec: Architecture,
    depths: Sequence[int],
    *,
    seed: int | None = None,
    gate_bias: float = GATE_BIAS,
) -> DeepenedModel:
    """Returns the network with `depths` blocks in its stages and the same function.

    New blocks are appended to their stage, or inserted before its last block if that one strides.
    The model has its head. Highway gates are closed with `gate_bias` where no other weights make a
    new block the identity.

    Raises:
      UserError: the depths are invalid, or no weights make a new block the identity.
    """
    _check_depths(spec, depths)
    deeper_spec = _deepen_spec(spec, depths)
    before, after = plan(spec), plan(deeper_spec)
    positions = _BlockPositions(spec, depths)
    blocks = [
        identity_block(after, deeper_spec, stage, block, gate_bias=gate_bias)
        for stage, block in positions.new_blocks()
    ]
    quotients = dict(_survival_quotients(before, after, positions, deeper_spec))
    deeper = build(deeper_spec, seed=seed)
    layers = {layer.name: layer for layer in deeper.layers}
    _copy_weights(model, before, {row.tags: layers[row.name] for row in after.rows}, positions)
    for block in blocks:
        for value in block.values:
            _assign(value, layers[value.row])
    for name, quotient in quotients.items():
        for weight in layers[name].trainable_variables:
            weight.assign(weight.numpy() * np.float32(quotient))
    gate = float(1 / (1 + np.exp(-gate_bias))) if any(block.gated for block in blocks) else None
    return DeepenedModel(deeper, deeper_spec, gate)


class _BlockPositions:
    """Positions of the old blocks in the deeper net. Stages and blocks count from 1."""

    def __init__(self, spec: Architecture, depths: Sequence[int]) -> None:
        self._old = tuple(stage.depth for stage in spec.stages)
        self._new = tuple(depths)
        self._last_stays_last = tuple(
            stage.stride != 1 and spec.stage_block(index).strided_block == "last"
            for index, stage in enumerate(spec.stages)
        )
        for index, stays in enumerate(self._last_stays_last):
            if stays and self._old[index] == 1 and self._new[index] > 1:
                raise UserError(
                    f"{spec.name} cannot be deepened in stage {index + 1}: its only block changes "
                    "the width, which the first does, and strides, which the last does",
                    where=spec.where("stages", index, "depth"),
                    expected="a stage of two blocks or more, or `strided_block: first`",
                    found="one block, strided_block: last",
                    hint="deepen the other stages, and leave this one at one block",
                )

    def new_tags(self, tags: Tags) -> Tags:
        """Returns the tags in the deeper net of a row of the old one."""
        if tags.stage is None or tags.block is None:
            return tags
        return tags._replace(block=self._new_number(tags.stage, tags.block))

    def new_blocks(self) -> Iterator[tuple[int, int]]:
        """Yields the stage and block numbers of the new blocks."""
        for stage, (old, new) in enumerate(zip(self._old, self._new, strict=True), start=1):
            old_blocks = {self._new_number(stage, block) for block in range(1, old + 1)}
            yield from ((stage, block) for block in range(1, new + 1) if block not in old_blocks)

    def _new_number(self, stage: int, block: int) -> int:
        is_last = block == self._old[stage - 1]
        return self._new[stage - 1] if is_last and self._last_stays_last[stage - 1] else block


def _check_depths(spec: Architecture, depths: Sequence[int]) -> None:
    old_depths = [stage.depth for stage in spec.stages]
    present = ", ".join(map(str, old_depths))
    if len(depths) != len(old_depths):
        what = f"{spec.name} has {len(old_depths)} stages, not {len(depths)}"
        expected = f"a depth for each stage; now {present} blocks"
    elif any(new < old for new, old in zip(depths, old_depths, strict=True)):
        what = f"a deepened {spec.name} cannot have fewer blocks in a stage"
        expected = f"{present} or more"
    elif list(depths) == old_depths:
        what, expected = f"{spec.name} is as deep already", "more blocks in some stage"
    else:
        return
    raise UserError(
        what,
        expected=expected,
        found=", ".join(map(str, depths)) or "none",
        hint="give a depth for each stage, none smaller than now and one larger, such as "
        f"--depths {','.join(str(depth + 1) for depth in old_depths)}",
    )


def _deepen_spec(spec: Architecture, depths: Sequence[int]) -> Architecture:
    pairs = zip(spec.stages, depths, strict=True)
    return spec.model_copy(
        update={
            "stages": tuple(stage.model_copy(update={"depth": depth}) for stage, depth in pairs),
            "title": f"{spec.name}, deepened to {', '.join(map(str, depths))} blocks",
            **dict.fromkeys(("source", "published", "weights")),
        }
    )


def _copy_weights(
    model: keras.Model, rows: Plan, layers: Mapping[Tags, keras.Layer], positions: _BlockPositions
) -> None:
    """Copies the weights of every old row to its layer in the deeper net."""
    old_layers = {layer.name: layer for layer in model.layers}
    pairs = []
    for row in rows.rows:
        if row.parameters or row.other_parameters:
            new_layer = layers[positions.new_tags(row.tags)]
            pairs += pair_weights(old_layers.get(row.name), new_layer, model)
    for old, new in pairs:
        new.assign(old.value)


def _assign(value: WeightValue, layer: keras.layers.Layer) -> None:
    variable = next(weight for weight in layer.weights if weight.name == value.weight)
    if value.value == IDENTITY:
        variable.assign(_identity_kernel(variable.shape))
    else:
        variable.assign(np.full(variable.shape, value.value, np.float32))


def _identity_kernel(shape: tuple[int, ...]) -> np.ndarray:
    """Returns a kernel that changes nothing at stride 1.

    Its shape is (units, units) or (height, width, channels of a group, channels).
    """
    kernel = np.zeros(shape, np.float32)
    # With an even side, `same` pads the odd pixel after the map (TensorFlow).
    centre = tuple((side - 1) // 2 for side in shape[:-2])
    for channel in range(shape[-1]):
        kernel[(*centre, channel % shape[-2], channel)] = 1.0
    return kernel


def _survival_quotients(
    before: Plan, after: Plan, positions: _BlockPositions, spec: Architecture
) -> Iterator[tuple[str, float]]:
    """Yields layers of the deeper net with the factor that makes up for a new survival probability.

    With linear decay (Huang 2016) a block's survival probability, by which inference multiplies H,
    depends on the depth of the whole net.
    """
    new_rows = {row.tags: row for row in after.rows}
    for row in before.rows:
        if row.tags.part != "survival_probability":
            continue
        tags = positions.new_tags(row.tags)
        quotient = row.attributes["scale"] / new_rows[tags].attributes["scale"]
        if quotient != 1.0:
            yield _scalable_layer(after, tags, spec), quotient


def _scalable_layer(after: Plan, tags: Tags, spec: Architecture) -> str:
    """Returns the layer of a block whose weights scale its H."""
    rows = [row for row in after.rows if row.tags[2:] == tags[2:]]
    block = spec.stage_block((tags.stage or 1) - 1)
    if block.connection == "scaled":
        return next(row.name for row in rows if row.op == "scale")
    last = last_weighted(rows)
    is_homogeneous = block.attention.kind == "none" and all(
        row.attributes["function"] in _HOMOGENEOUS
        for row in rows[rows.index(last) + 1 :]
        if row.tags.role == "transform" and row.op == "activation"
    )
    if block.connection not in _SCALABLE or not is_homogeneous:
        raise UserError(
            f"{spec.name} cannot be deepened: the survival probability of a block depends on the "
            "depth of the whole net, and H cannot make up for the difference",
            where=spec.where("block", "survival_decay"),
            expected="blocks whose last layer can scale H, or `survival_decay: constant`",
            found=f"connection {block.connection}, attention {block.attention.kind}",
            hint="write `survival_decay: constant` into the spec and train it, or train a deeper "
            "network from the start",
        )
    return last.name
