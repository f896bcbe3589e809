"""What is a pool of the stem or behind a stage, and what does it see beyond the border?"""

from __future__ import annotations

from reszoo.planning.builder import Scope
from reszoo.planning.rows import Ref
from reszoo.spec.architecture import Pool

NONNEGATIVE = ("relu", "relu6")
"""Activations behind which no value is below 0."""


def write_pool(scope: Scope, x: Ref, pool: Pool, *, role: str, nonnegative: bool) -> Ref:
    """A pool of the stem or after a stage."""
    part, padding = "pool", pool.padding
    if pool.kind == "none":
        return x
    if pool.kind == "conv":
        return _pooling_conv(scope, x, pool, role)
    if pool.kind == "average":
        return scope.pool(
            x, "average", pool.size, pool.stride, role=role, part=part, padding=padding
        )
    # behind a ReLU no value is below 0, so that padding with 0 equals padding with -infinity
    border = 0.0 if pool.zero_padded else None if nonnegative else float("-inf")
    stride = 1 if pool.kind == "blur" else pool.stride
    x = scope.pool(
        x, "max", pool.size, stride, role=role, part=part, padding=padding, border=border
    )
    if pool.kind == "blur":
        x = scope.blur(x, pool.stride, role=role, part="blur")
    return x


def _pooling_conv(scope: Scope, x: Ref, pool: Pool, role: str) -> Ref:
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
