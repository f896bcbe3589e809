"""Pooling in the stem and after stages, and its padding at the border."""

from __future__ import annotations

from reszoo.planning.builder import Scope
from reszoo.planning.rows import Ref
from reszoo.spec.layer_fields import Pool

NONNEGATIVE = ("relu", "relu6")
"""Activations without negative outputs."""


def write_pool(scope: Scope, x: Ref, pool: Pool, *, role: str, nonnegative: bool) -> Ref:
    """Adds a pool of the stem or after a stage.

    `nonnegative` tells that x has no value below 0, so that padding with 0 equals -infinity.
    """
    part, padding = "pool", pool.padding
    if pool.kind == "none":
        return x
    if pool.kind == "conv":
        return _conv_pool(scope, x, pool, role)
    if pool.kind == "average":
        return scope.pool(
            x, "average", pool.size, pool.stride, role=role, part=part, padding=padding
        )
    border = 0.0 if pool.zero_padded else None if nonnegative else float("-inf")
    stride = 1 if pool.kind == "blur" else pool.stride
    x = scope.pool(
        x, "max", pool.size, stride, role=role, part=part, padding=padding, border=border
    )
    if pool.kind == "blur":
        x = scope.blur(x, pool.stride, role=role, part="blur")
    return x


def _conv_pool(scope: Scope, x: Ref, pool: Pool, role: str) -> Ref:
    spec = scope.spec
    x = scope.conv(
        x,
        pool.filters or scope.channels(x),
        pool.size,
        role=role,
        part="pool_conv",
        stride=pool.stride,
        padding=pool.padding,
        bias=spec.norm.kind == "none",
    )
    x = scope.norm(x, spec.norm, role=role, part="pool_norm")
    return scope.activation(x, spec.activation, role=role, part="pool_activation")
