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
    if len(scope.shape(x)) == 3 and head.pool == "none":
        x = scope.add("flatten", x, role="head", part="flatten")
    elif len(scope.shape(x)) == 3:
        op = f"global_{head.pool}_pool"
        x = scope.add(op, x, role="head", part="pool", keep_dimensions=False)
    for number, units in enumerate(head.hidden, start=1):
        x = scope.dense(x, units, role="head", part=f"hidden{number}")
        x = scope.activation(x, spec.activation, role="head", part=f"hidden_activation{number}")
    x = scope.dropout(x, head.dropout, role="head", part="dropout")
    x = scope.dense(
        x,
        spec.classes,
        role="head",
        part="logits",
        bias=head.bias,
        initializer=spec.initializers.head,
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
