"""The head: pooling, dense layers and logits."""

from __future__ import annotations

from reszoo.planning.builder import Scope
from reszoo.planning.rows import Ref


def write_head(scope: Scope, x: Ref) -> Ref:
    """Adds the head; returns the logits."""
    spec, head = scope.spec, scope.spec.head
    if head.conv:
        bias = spec.norm.kind == "none"
        x = scope.conv(x, head.conv, 1, role="head", part="conv", bias=bias)
        x = scope.norm(x, spec.norm, role="head", part="norm")
        x = scope.activation(x, spec.activation, role="head", part="activation")
    if len(scope.shape(x)) == 3:
        x = _pool_globally(scope, x)
    for number, units in enumerate(head.hidden, start=1):
        x = scope.dense(x, units, role="head", part=f"hidden{number}")
        x = scope.activation(x, spec.activation, role="head", part=f"hidden_activation{number}")
    if head.dropout:
        x = scope.add("dropout", x, role="head", part="dropout", rate=head.dropout, each="value")
    initializer = spec.initializers.head
    x = scope.dense(
        x,
        spec.classes,
        role="head",
        part="logits",
        bias=head.bias,
        initializer=initializer,
        precision="float32",
    )
    if head.logit_scale != 1.0:
        x = scope.add(
            "rescale",
            x,
            role="head",
            part="scale",
            precision="float32",
            scale=head.logit_scale,
            offset=0.0,
        )
    return x


def _pool_globally(scope: Scope, x: Ref) -> Ref:
    kind = scope.spec.head.pool
    if kind == "none":
        return scope.add("flatten", x, role="head", part="flatten")
    return scope.add(f"global_{kind}_pool", x, role="head", part="pool", keep_dimensions=False)
