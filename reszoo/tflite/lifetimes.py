"""Lifetimes of the feature maps of a graph, and the memory they take at every moment.

As TensorFlow Lite for Microcontrollers counts: moment 0 is before the first operator, moment i + 1
is while operator i runs; a feature map lives from the operator that computes it to the last that
reads it, and the output to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from reszoo.tflite.contents import TFLiteGraph

ALIGNMENT = 16
"""TFLite-Micro places every tensor at a multiple of 16 bytes."""


@dataclass(frozen=True)
class FeatureMap:
    """A tensor that is computed while the network runs."""

    index: int
    """Of its tensor in the graph."""
    bytes: int
    """Rounded up to a multiple of 16."""
    first: int
    last: int
    """Moments of its life, both included."""

    def meets(self, other: FeatureMap) -> bool:
        """Whether both are alive at one moment, so that they must not share memory."""
        return self.first <= other.last and other.first <= self.last


def feature_maps(graph: TFLiteGraph) -> tuple[FeatureMap, ...] | None:
    """Returns the feature maps of a graph in the order in which they come to life.

    None where the size of one is not known before the network runs.
    """
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    for moment, operator in enumerate(graph.operators, 1):
        for index in operator.outputs:
            first.setdefault(index, moment)
        for index in (*operator.given_inputs, *operator.outputs):
            last[index] = moment
    last.update(dict.fromkeys(graph.outputs, len(graph.operators)))
    computed = [index for index in first if _is_computed(graph, index)]
    if any(graph.tensors[i].is_dynamic or graph.tensors[i].bytes is None for i in computed):
        return None
    sizes = {index: graph.tensors[index].bytes or 0 for index in computed}
    return tuple(
        FeatureMap(index, -(-size // ALIGNMENT) * ALIGNMENT, first[index], last[index])
        for index, size in sizes.items()
        if size
    )


def live_bytes(maps: Sequence[FeatureMap], operators: int) -> tuple[int, ...]:
    """Returns the bytes alive at each moment: before the first operator, and while each runs."""
    changes = [0] * (operators + 2)
    for each in maps:
        changes[each.first] += each.bytes
        changes[each.last + 1] -= each.bytes
    return tuple(accumulate(changes[:-1]))


def lower_bound(maps: Sequence[FeatureMap], operators: int) -> int:
    """Returns the bytes of the fullest moment, below which no placement fits."""
    return max(live_bytes(maps, operators), default=0)


def _is_computed(graph: TFLiteGraph, index: int) -> bool:
    tensor = graph.tensors[index]
    # Variables keep their values between two runs and are stored apart.
    return not tensor.is_constant and not tensor.is_variable
