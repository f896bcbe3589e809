"""Graphs of layers: what each computes, without its weights, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reszoo.planning.rows import Plan, Row
from reszoo.spec.per_axis import Sides, short, times

Signature = tuple[Any, ...]
"""What a layer computes, without its weights."""

_PASSED_OVER = frozenset({"normalize", "dropout", "flatten", "reshape"})
"""Rows without weights that a file has in other forms, or leaves to whoever calls the model."""


@dataclass(frozen=True, slots=True)
class LayerNode:
    """A layer of a graph, or the activation behind one."""

    signature: Signature
    inputs: tuple[str, ...]
    """Names of the nodes that it reads."""


Graph = dict[str, LayerNode]
"""The nodes of a network by name."""


def conv_signature(
    kernel: Sides, stride: Sides, padding: str, groups: int, filters: int, bias: bool
) -> Signature:
    """Returns the signature of a convolution."""
    words = times(kernel), f"stride {short(stride)}", padding, f"groups {groups}"
    return ("conv", *words, f"filters {filters}", "with bias" if bias else "without bias")


def dense_signature(bias: bool) -> Signature:
    """Returns the signature of a fully connected layer."""
    # Not the units: how many classes there are is compared with the weights.
    return ("dense", "with bias" if bias else "without bias")


def norm_signature(epsilon: float) -> Signature:
    """Returns the signature of a batch normalisation."""
    return ("norm", f"epsilon {epsilon:.5g}")  # a file may have the float32 beside 0.001


def pool_signature(kind: str, size: Sides, stride: Sides, padding: str) -> Signature:
    """Returns the signature of a pooling of kind `max_pool` or `average_pool`."""
    return (kind, times(size), f"stride {short(stride)}", padding)


def pad_signature(amounts: Any) -> Signature:
    """Returns the signature of a padding with zeros."""
    return ("pad", str([list(map(int, pair)) for pair in amounts]))


def plan_graph(rows: Plan) -> Graph:
    """Returns the graph of a plan, without the rows that files do not have."""
    graph: Graph = {}
    stands_for: dict[str, str] = {}
    for row in rows.rows:
        inputs = tuple(stands_for[ref.row] for ref in row.inputs)
        stands_for[row.name] = row.name
        if row.op in _PASSED_OVER:
            stands_for[row.name] = inputs[0]
        else:
            graph[row.name] = LayerNode(_row_signature(row), inputs)
    return graph


def _row_signature(row: Row) -> Signature:
    values = row.attributes
    match row.op:
        case "conv":
            names = ("kernel", "stride", "padding", "groups", "filters", "bias")
            return conv_signature(*(values[name] for name in names))
        case "dense":
            return dense_signature(values["bias"])
        case "norm":
            return norm_signature(values["epsilon"])
        case "activation":
            return ("activation", values["function"])
        case "max_pool" | "average_pool":
            return pool_signature(row.op, values["size"], values["stride"], values["padding"])
        case "pad" if values["value"] == 0.0:
            return pad_signature(values["amounts"])
        case "input" | "add" | "multiply" | "global_average_pool" | "global_max_pool":
            return (row.op,)
    return (row.op, *sorted(f"{name} {value}" for name, value in values.items()))
