"""Changes of a spec, and checks, that the layouts of pretrained weights share."""

from __future__ import annotations

from typing import Any

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.layer_fields import Norm


def with_epsilon(spec: Architecture, epsilon: float) -> Architecture:
    """Returns the spec with that epsilon in every normalisation."""

    def updated(norm: Norm | None) -> Norm | None:
        if norm is None or norm.kind == "none":
            return norm
        return norm.model_copy(update={"epsilon": epsilon})

    stages = (stage.model_copy(update={"norm": updated(stage.norm)}) for stage in spec.stages)
    return spec.model_copy(
        update={
            "norm": updated(spec.norm),
            "stem": spec.stem.model_copy(update={"norm": updated(spec.stem.norm)}),
            "block": spec.block.model_copy(update={"norm": updated(spec.block.norm)}),
            "stages": tuple(stages),
        }
    )


def with_block(spec: Architecture, **fields: Any) -> Architecture:
    """Returns the spec with these fields in every block, without the overrides of its stages."""
    unset = dict.fromkeys(fields)
    stages = tuple(stage.model_copy(update=unset) for stage in spec.stages)
    block = spec.block.model_copy(update=fields)
    return spec.model_copy(update={"block": block, "stages": stages})


def is_preactivated(spec: Architecture) -> bool:
    """Returns whether the blocks are full pre-activation blocks (He 2016), as in ResNet v2."""
    return spec.stage_block(0).order == "full_pre"


def require_residual_blocks(spec: Architecture, title: str) -> None:
    """Refuses blocks that pretrained weights would fit, but that compute something else."""
    for index in range(len(spec.stages)):
        block = spec.stage_block(index)
        if block.connection != "residual":
            _refuse(spec, title, "residual", block.connection, index)
        if block.survival_probability not in (None, 1.0):
            _refuse(spec, title, "a survival probability of 1", "one below 1", index)
        if block.order not in (None, "post", "full_pre"):
            _refuse(spec, title, "the order post or full_pre", str(block.order), index)


def _refuse(spec: Architecture, title: str, expected: str, found: str, index: int) -> None:
    raise UserError(
        f"{title} has no weights of {spec.name}: its blocks compute something else",
        expected=f"residual blocks, as the weights have: {expected}",
        found=f"{found} in stages[{index}]",
        hint="build the residual twin with these weights",
    )
