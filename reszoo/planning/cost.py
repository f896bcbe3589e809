"""What a network costs: parameters, multiply-adds, bytes of weights and of activations, depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reszoo.planning.builder import pixels
from reszoo.planning.network import plan as plan_of
from reszoo.planning.rewrites import fold_norms, for_inference, reader_counts
from reszoo.planning.rows import Plan, Ref, Row
from reszoo.spec.architecture import Architecture

_BRANCH_ROLES = ("shortcut", "attention", "transform_gate", "carry_gate")
_IN_PLACE = (
    "activation",
    "add",
    "subtract",
    "multiply",
    "rescale",
    "scale",
    "norm",
    "normalize",
    "mean_image",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one network at batch 1. Weights and activations are counted as they are shipped:
    normalisations folded into convolutions, activations fused.
    """

    parameters: int
    """Trainable weights, as torch counts them."""
    other_parameters: int
    """Moving means and variances, a mean image; Keras's `count_params()` adds them."""
    macs: int
    """Multiply-adds of convolutions and dense layers for one image."""
    weight_bytes_int8: int
    """1 byte per weight, 4 per bias."""
    weight_bytes_fp16: int
    weight_bytes_fp32: int
    peak_activation_bytes_int8: int
    """The most feature maps that are alive at once, 1 byte per value."""
    peak_activation_bytes_fp32: int
    depth: int
    """Weighted layers on the main path, as the papers count: neither shortcuts nor gates."""


def cost(what: Plan | Architecture) -> Cost:
    """Adds the rows of a canonical plan up. Takes a spec, too."""
    plan = what if isinstance(what, Plan) else plan_of(what)
    shipped = fold_norms(for_inference(plan))
    weights, biases = _weights_and_biases(shipped.rows)
    peak = _peak_values(shipped)
    return Cost(
        parameters=sum(row.parameters for row in plan.rows),
        other_parameters=sum(row.other_parameters for row in plan.rows),
        macs=sum(row.macs for row in plan.rows),
        weight_bytes_int8=weights + 4 * biases,
        weight_bytes_fp16=2 * (weights + biases),
        weight_bytes_fp32=4 * (weights + biases),
        peak_activation_bytes_int8=peak,
        peak_activation_bytes_fp32=4 * peak,
        depth=_depth(plan.rows),
    )


def _weights_and_biases(rows: Iterable[Row]) -> tuple[int, int]:
    """Of an unfolded normalisation, a factor and a bias per channel are left at inference; of a
    mean image, itself.
    """
    weights = biases = 0
    for row in rows:
        if row.op == "mean_image":
            weights += pixels(row.shape)
        if not row.parameters:
            continue
        if row.op == "norm":
            bias = row.shape[-1]
            weights += bias
        else:
            bias = row.shape[-1] if row.attributes.get("bias") else 0
            weights += row.parameters - bias
        biases += bias
    return weights, biases


def _depth(rows: Iterable[Row]) -> int:
    depths: dict[str, int] = {}
    for row in rows:
        weighted = row.op in ("conv", "dense") and row.tags.role not in _BRANCH_ROLES
        before = max((depths[ref.row] for ref in row.inputs), default=0)
        depths[row.name] = before + weighted
    return max(depths.values())


def _peak_values(plan: Plan) -> int:
    """The most values alive at once when rows run in order and each is freed after its last reader.

    A row that works value by value takes over its input's memory where nothing else reads it, which
    is also what fusing an activation into a convolution comes to.
    """
    readers = reader_counts(plan)
    sizes: dict[Ref, int] = {}
    alive = peak = 0
    for row in plan.rows:
        output = Ref(row.name)
        size = pixels(row.shape)
        free = 0
        for ref in row.inputs:
            readers[ref] -= 1
            if readers[ref] == 0:
                free += sizes.get(ref, 0)
        reuses = row.op in _IN_PLACE and any(
            readers[ref] == 0 and sizes[ref] >= size for ref in row.inputs
        )
        sizes[output] = size
        peak = max(peak, alive if reuses else alive + size)
        alive += size - free
    return peak
