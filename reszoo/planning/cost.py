"""The cost of a network: parameters, multiply-adds, bytes of weights and activations, depth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reszoo.planning.network import plan as plan_of
from reszoo.planning.rewrites import fold_norms, for_inference, reader_counts
from reszoo.planning.rows import BRANCH_ROLES, Plan, Ref, Row
from reszoo.spec.architecture import Architecture

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
    """The cost of a network at batch size 1.

    Weights and activations are counted as deployed: normalisations folded into convolutions,
    activations fused.
    """

    parameters: int
    """Trainable weights, as torch counts them."""
    other_parameters: int
    """Moving means and variances, a mean image; included in Keras's `count_params()`."""
    macs: int
    """Multiply-adds of convolutions and dense layers for one image."""
    weight_bytes_int8: int
    """1 byte per weight, 4 per bias."""
    weight_bytes_fp16: int
    weight_bytes_fp32: int
    peak_activation_bytes_int8: int
    """Peak of the feature maps alive at once, 1 byte per value."""
    peak_activation_bytes_fp32: int
    depth: int
    """Weighted layers on the main path, as counted in the papers: no shortcuts, no gates."""


def cost(what: Plan | Architecture) -> Cost:
    """Returns the cost of a canonical plan or of a spec.

    Examples:
      >>> from reszoo.spec import load
      >>> network = cost(load("resnet50"))
      >>> network.parameters, network.macs
      (25557032, 4089184256)
    """
    plan = what if isinstance(what, Plan) else plan_of(what)
    deployed = fold_norms(for_inference(plan))
    weights, biases = weights_and_biases(deployed.rows)
    peak = max(values for _, values in alive_values(deployed))
    return Cost(
        parameters=sum(row.parameters for row in plan.rows),
        other_parameters=sum(row.other_parameters for row in plan.rows),
        macs=sum(row.macs for row in plan.rows),
        weight_bytes_int8=weights + 4 * biases,
        weight_bytes_fp16=2 * (weights + biases),
        weight_bytes_fp32=4 * (weights + biases),
        peak_activation_bytes_int8=peak,
        peak_activation_bytes_fp32=4 * peak,
        depth=max(depths(plan.rows).values()),
    )


def weights_and_biases(rows: Iterable[Row]) -> tuple[int, int]:
    """Numbers of weights and biases at inference.

    An unfolded normalisation is a factor and a bias per channel, a mean image is itself.
    """
    weights = biases = 0
    for row in rows:
        if row.op == "mean_image":
            weights += math.prod(row.shape)
        if not row.parameters:
            continue
        if row.op in ("norm", "centred_group_norm"):
            bias = row.shape[-1]
            weights += bias
        else:
            bias = row.shape[-1] if row.attributes.get("bias") else 0
            weights += row.parameters - bias
        biases += bias
    return weights, biases


def depths(rows: Iterable[Row]) -> dict[str, int]:
    """Returns the most weighted layers on a path to each row, by its name; see `Cost.depth`."""
    most: dict[str, int] = {}
    for row in rows:
        weighted = row.op in ("conv", "dense") and row.tags.role not in BRANCH_ROLES
        before = max((most[ref.row] for ref in row.inputs), default=0)
        most[row.name] = before + weighted
    return most


def fullest_row(plan: Plan) -> Row:
    """Returns the row of a canonical plan during which most feature maps are alive."""
    deployed = fold_norms(for_inference(plan))
    return max(alive_values(deployed), key=lambda pair: pair[1])[0]


def alive_values(plan: Plan) -> Iterator[tuple[Row, int]]:
    """Yields the values alive during each row, freed after their last reader.

    An elementwise row reuses the memory of an input that nothing else reads, which also covers an
    activation fused into a convolution.
    """
    readers = reader_counts(plan)
    sizes: dict[Ref, int] = {}
    alive = 0
    for row in plan.rows:
        output = Ref(row.name)
        size = math.prod(row.shape)
        free = 0
        for ref in row.inputs:
            readers[ref] -= 1
            if readers[ref] == 0:
                free += sizes.get(ref, 0)
        reuses = row.op in _IN_PLACE and any(
            readers[ref] == 0 and sizes[ref] >= size for ref in row.inputs
        )
        sizes[output] = size
        yield row, alive if reuses else alive + size
        alive += size - free
