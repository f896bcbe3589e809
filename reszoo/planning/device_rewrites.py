"""Which rows have a fast variant on a device? The one place that chooses them.

A fast row has the name, weights and numbers of the canonical row it stands for; a group of rows
becomes one with the name of its last. The builder makes whatever layers the rows ask for, and cost
always reads the canonical plan.

| fast op | stands for | where |
|---|---|---|
| fused_norm | norm of a map | CPU and GPU |
| shared_norm | norm | where replicas are to normalise together |
| product_conv | conv whose weight gradient is faster as matrix products | CPU |
| add_relu | add, activation relu | CPU in bfloat16, large maps |
| gated_merge | sigmoid, subtract, multiply, add; activation relu | CPU in bfloat16, large maps |
| fused_relu | activation relu | CPU in bfloat16, large maps |

The groups of rows are found in `reszoo.planning.fusion`. On a GPU, cuDNN has a kernel for the norm,
and XLA, which compiles the whole step there, fuses all the rest by itself.
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
"""From so many channels, up to this side, nine matrix products are faster than oneDNN's 3x3 weight
gradient."""


def for_device(
    plan: Plan, kind: str = "cpu", dtype: str = "float32", *, sync_norm: bool = False
) -> Plan:
    """The plan with rows that have a fast variant on that kind of device (`cpu`, `gpu`, `tpu`).

    On CPU and GPU a normalisation over a feature map runs on TensorFlow's fused kernel (the stock
    Keras layer costs more than half of the training speed of ResNet-50 on a CPU); XLA on a TPU
    fuses by itself.

    Args:
      plan: the canonical plan.
      kind: of the device.
      dtype: the dtype policy of the build. In float64 nothing has a fast kernel.
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
    brief = dtype in ("bfloat16", "mixed_bfloat16")
    plan = replace(plan, rows=tuple(_product_conv(row, rows, brief) for row in plan.rows))
    if not brief:
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


def _product_conv(row: Row, rows: Mapping[str, Row], brief: bool) -> Row:
    if row.op == "conv" and _learns_by_products(row, rows[row.inputs[0].row].shape, brief):
        return replace(row, op="product_conv", stands_for=(row.name,))
    return row


def _learns_by_products(row: Row, shape: tuple[int, ...], brief: bool) -> bool:
    """Whether it was measured to pay, for ResNet's convolutions; `brief` is bfloat16."""
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
    return brief and any(narrow >= least and side <= most for least, most in _SMALL_SIDES)


def _fused_relu(row: Row) -> Row:
    if is_relu(row) and is_large(row):
        return replace(row, op="fused_relu", attributes={}, stands_for=(row.name,))
    return row
