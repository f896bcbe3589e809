"""Device rewrites: replaces rows by their fast variants on CPU and GPU.

A fast row has the name, weights and results of the canonical row it replaces; a fused group has the
name of its last row. The model builder creates the layers that the rows name, and cost is always
that of the canonical plan.

| fast op | stands for | where |
|---|---|---|
| fused_norm | norm of a map | GPU |
| piecewise_norm | norm of a map; activation relu, large maps | CPU |
| shared_norm | norm | replicas with synchronised normalisation |
| product_conv | conv whose weight gradient is faster as matrix products | CPU |
| add_relu | add, activation relu | CPU in bfloat16, large maps |
| gated_merge | sigmoid, subtract, multiply, add; activation relu | CPU in bfloat16, large maps |
| deferred_conv, interleaved_conv | conv of H, conv of its gate: one product | likewise |
| interleaved_merge | gated_merge of the map of both | likewise |
| fused_relu | activation relu | CPU in bfloat16, large maps |

Groups of rows are fused in `reszoo.planning.fusion`. On a GPU, cuDNN has a kernel for the norm, and
XLA, which compiles the whole step there, fuses the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from reszoo.planning.fusion import (
    fork_outputs,
    fuse_add_relu,
    fuse_gated_merge,
    fuse_norm_relu,
    is_large_relu,
    join_gate_convs,
)
from reszoo.planning.rewrites import with_op
from reszoo.planning.rows import Plan, Row, Shape

_SMALL_SIDES = ((256, 14), (64, 8))
"""(channels, side): from so many channels on, up to this side, nine matrix products are faster than
oneDNN's 3x3 weight gradient."""
_SMALL_SIDES_AMX = ((256, 14), (128, 8))
"""The same on a processor with AMX, where oneDNN takes half the time of products at 64 channels."""


def for_device(
    plan: Plan,
    kind: str = "cpu",
    dtype: str = "float32",
    *,
    sync_norm: bool = False,
    amx: bool = False,
) -> Plan:
    """Returns the plan with the fast rows of a device.

    On CPU and GPU a normalisation over a feature map uses TensorFlow's fused kernel (the stock
    Keras layer costs more than half of the training speed of ResNet-50 on a CPU); XLA on a TPU
    fuses by itself.

    `kind` is `cpu`, `gpu` or `tpu`, `dtype` the model's dtype policy (float64 has no fast kernels).
    With `sync_norm` the batch of all replicas is normalised, for which there is no fused kernel.
    `amx` says whether a CPU multiplies bfloat16 in tiles.
    """
    if sync_norm:
        plan = with_op(plan, "shared_norm", lambda row: row.op == "norm")
    if kind == "tpu" or dtype == "float64":
        return plan
    norm = "piecewise_norm" if kind == "cpu" else "fused_norm"
    plan = with_op(plan, norm, lambda row: row.op == "norm" and len(row.shape) == 3)
    if kind != "cpu":
        return plan
    shapes = {row.name: row.shape for row in plan.rows}
    is_bfloat16 = dtype in ("bfloat16", "mixed_bfloat16")
    small_sides = (_SMALL_SIDES_AMX if amx else _SMALL_SIDES) if is_bfloat16 else ()
    plan = with_op(plan, "product_conv", lambda row: _is_product_conv(row, shapes, small_sides))
    if not is_bfloat16:
        return fuse_norm_relu(plan)
    plan = fuse_norm_relu(fuse_gated_merge(fuse_add_relu(plan)))
    plan = fork_outputs(join_gate_convs(plan))
    return with_op(plan, "fused_relu", is_large_relu, attributes={})


def _is_product_conv(
    row: Row, shapes: Mapping[str, Shape], small_sides: tuple[tuple[int, int], ...]
) -> bool:
    """Whether a row is a convolution that was measured to be faster as products, on ResNets."""
    if row.op != "conv":
        return False
    shape = shapes[row.inputs[0].row]
    kernel, stride = row.attributes["kernel"], row.attributes["stride"]
    even = stride == 2 and shape[0] % 2 == shape[1] % 2 == 0
    if row.attributes["groups"] != 1 or not (stride == 1 or even):
        return False
    narrow = min(shape[-1], row.shape[-1])
    if kernel == 1:
        return narrow >= 64
    if kernel != 3:
        return False
    if stride == 2:
        return narrow >= 128 and row.attributes["padding"] == "valid"
    side = max(row.shape[:2])
    return any(narrow >= least and side <= most for least, most in small_sides)
