"""How does a spec become the one whose weights are at hand? Changes that both layouts need."""

from __future__ import annotations

from typing import Any

from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture, Norm


def with_epsilon(spec: Architecture, epsilon: float) -> Architecture:
    """The spec with another epsilon in each normalisation it has."""

    def changed(norm: Norm | None) -> Norm | None:
        if norm is None or norm.kind == "none":
            return norm
        return norm.model_copy(update={"epsilon": epsilon})

    stages = tuple(one.model_copy(update={"norm": changed(one.norm)}) for one in spec.stages)
    return spec.model_copy(
        update={
            "norm": changed(spec.norm),
            "stem": spec.stem.model_copy(update={"norm": changed(spec.stem.norm)}),
            "block": spec.block.model_copy(update={"norm": changed(spec.block.norm)}),
            "stages": stages,
        }
    )


def with_block(spec: Architecture, **fields: Any) -> Architecture:
    """The spec with these fields in every block; no stage says otherwise any more."""
    silent = dict.fromkeys(fields)
    stages = tuple(stage.model_copy(update=silent) for stage in spec.stages)
    block = spec.block.model_copy(update=fields)
    return spec.model_copy(update={"block": block, "stages": stages})


def refuse_other_equation(spec: Architecture, title: str) -> None:
    """Weights of a residual net in another equation would fit, and compute something else.

    Raises:
      UserError: a block is not residual, may be dropped, or has another order than the weights'.
    """
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
        expected=f"blocks that are residual, as the weights' are: {expected}",
        found=f"{found} in stages[{index}]",
        hint="build the residual twin with the weights",
    )
