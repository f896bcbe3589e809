"""Device rewrites: replaces rows by their fast variants on CPU and GPU.

A fast row has the name, weights and results of the canonical row it replaces; a fused group has the
name of its last row. The model builder creates the layers that the rows name, and cost is always
that of the canonical plan.

| fast op | stands for | where |
|---|---|---|
| fused_norm | norm of a map | CPU and GPU |
| shared_norm | norm | replicas with synchronised normalisation |
| product_conv | conv whose weight gradient is faster as matrix products | CPU |
| add_relu | add, activation relu | CPU in bfloat16, large maps |
| gated_merge | sigmoid, subtract, multiply, add; activation relu | CPU in bfloat16, large maps |
| fused_relu | activation relu | CPU in bfloat16, large maps |

Groups of rows are fused in `reszoo.planning.fusion`. On a GPU, cuDNN has a kernel for the norm, and
XLA, which compiles the whole step there, fuses the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reszoo.planning.fusion import (
    fork_outputs,
    fuse_add_relu,
    fuse_gated_merge,
    is_large,
    is_relu,
)
from reszoo.planning.rows import Plan, Row

_SMALL_SIDES = ((256, 14), (64, 8))
"""(channels, side): from so many channels on, up to this side, nine matrix products are faster than
oneDNN's 3x3 weight gradient."""


def for_device(
    plan: Plan, kind: str = "cpu", dtype: str = "float32", *, sync_norm: bool = False
) -> Plan:
    """Returns the plan with the fast rows of a device.

    On CPU and GPU a normalisation over a feature map uses TensorFlow's fused kernel (the stock
    Keras layer costs more than half of the training speed of ResNet-50 on a CPU); XLA on a TPU
    fuses by itself.

    Args:
      plan: the canonical plan.
      kind: of the device: `cpu`, `gpu` or `tpu`.
      dtype: dtype policy of the model. float64 has no fast kernels.
      sync_norm: normalise over the batch of all replicas, for which there is no fused kernel.
    """
    if sync_norm:
        plan = replace(plan, rows=tuple(_shared_norm(row) for row in plan.rows))
    if kind == "tpu" or dtype == "float64":
        return plan
    plan = replace(plan, rows=tuple(_fused_norm(row) for row in plan.rows))
    if kind != "cpu":
        return plan
    rows = {row.name: row for row in plan.rows}
    is_bfloat16 = dtype in ("bfloat16", "mixed_bfloat16")
    plan = replace(plan, rows=tuple(_product_conv(row, rows, is_bfloat16) for row in plan.rows))
    if not is_bfloat16:
        return plan
    plan = fork_outputs(fuse_gated_merge(fuse_add_relu(plan)))
    return replace(plan, rows=tuple(_fused_relu(row) for row in plan.rows))


def _fused_norm(row: Row) -> Row:
    if row.op == "norm" and len(row.shape) == 3:
        return replace(row, op="fused_norm", stands_for=(row.name,))
    return row


def _shared_norm(row: Row) -> Row:
    if row.op == "norm":
        return replace(row, op="shared_norm", stands_for=(row.name,))
    return row


def _product_conv(row: Row, rows: Mapping[str, Row], is_bfloat16: bool) -> Row:
    if row.op == "conv" and _is_faster_as_products(row, rows[row.inputs[0].row].shape, is_bfloat16):
        return replace(row, op="product_conv", stands_for=(row.name,))
    return row


def _is_faster_as_products(row: Row, shape: tuple[int, ...], is_bfloat16: bool) -> bool:
    """Whether matrix products were measured to be faster, for ResNet's convolutions."""
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
    return is_bfloat16 and any(narrow >= least and side <= most for least, most in _SMALL_SIDES)


def _fused_relu(row: Row) -> Row:
    if is_relu(row) and is_large(row):
        return replace(row, op="fused_relu", attributes={}, stands_for=(row.name,))
    return row
