"""Memory plans: where in the arena each feature map lies.

TFLite-Micro places feature maps greedily unless the file brings a plan, the metadata
`OfflineMemoryAllocation`: int32 version 1, graph 0, number of tensors, and an offset in bytes for
each tensor, -1 where the planner decides.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.flatbuffer_writer import put_metadata
from reszoo.tflite.lifetimes import ALIGNMENT, FeatureMap, feature_maps, live_bytes, lower_bound
from reszoo.tflite.model_file import damaged

NAME = "OfflineMemoryAllocation"
TRIES = 200
_VERSION, _GRAPH, _PLANNER_DECIDES = 1, 0, -1
_HEADER = 3
_MOST_PAIRS = 50_000
"""Of feature maps that are alive at once; a ResNet of 1,202 layers has about ten thousand."""
_Order = Callable[[FeatureMap], tuple[float, ...]]


@dataclass(frozen=True)
class MemoryPlan:
    """A placement of the feature maps of a file, and what it is compared with."""

    bytes: int
    """Of the arena that the placement takes."""
    offsets: dict[int, int]
    """By index of the tensor."""
    lower_bound: int
    """Bytes alive at the fullest moment: no placement takes less."""
    greedy_bytes: int
    """What TFLite-Micro's own planner takes."""
    tries: int
    """Orders tried until the bound was reached, at most `TRIES`."""

    @property
    def saved_bytes(self) -> int:
        """How much less than TFLite-Micro's own planner it takes."""
        return self.greedy_bytes - self.bytes


@dataclass(frozen=True)
class _Placement:
    bytes: int
    offsets: dict[int, int]


def plan_memory(model: TFLiteModel) -> MemoryPlan | None:
    """Returns the best of 200 placements, the same on every machine.

    Each places the feature maps one by one at the lowest offset that is free while they live; the
    tries differ in the order. The first are TFLite-Micro's order and four others, the rest are
    drawn with a fixed seed, and the search ends where a placement equals the lower bound.

    None where `plannable_maps` has none.
    """
    maps = plannable_maps(model)
    if maps is None:
        return None
    bound = lower_bound(maps, len(model.main.operators))
    neighbours = _neighbours(maps)
    greedy = best = _place(maps, neighbours, _greedy_order)
    draw = random.Random(0)
    tries = 1
    while best.bytes > bound and tries < TRIES:
        order = _ORDERS[tries - 1] if tries <= len(_ORDERS) else _random_order(maps, draw)
        best = min(best, _place(maps, neighbours, order), key=lambda each: each.bytes)
        tries += 1
    return MemoryPlan(best.bytes, best.offsets, bound, greedy.bytes, tries)


def put_memory_plan(model: TFLiteModel, plan: MemoryPlan) -> bytes:
    """Returns the bytes of a `.tflite` with its memory plan, or without one that saves nothing.

    Raises:
      UserError: the file is of a schema that is too new.
    """
    if plan.saved_bytes <= 0:
        return model.content
    return put_metadata(model.content, {NAME: pack_plan(plan.offsets, len(model.main.tensors))})


def pack_plan(offsets: Mapping[int, int], tensors: int) -> bytes:
    """Returns a plan as the metadata that TFLite-Micro reads; `tensors` is their number."""
    numbers = [offsets.get(index, _PLANNER_DECIDES) for index in range(tensors)]
    return struct.pack(f"<{_HEADER + tensors}i", _VERSION, _GRAPH, tensors, *numbers)


def stored_plan(model: TFLiteModel) -> dict[int, int] | None:
    """Returns the offsets of the plan that a file brings, by index of the tensor; None without one.

    Raises:
      UserError: the plan is not of this file: of another length, or with feature maps that overlap
        while both live.
    """
    if NAME not in model.metadata:
        return None
    data, tensors = model.metadata[NAME], sum(len(graph.tensors) for graph in model.graphs)
    expected = f"offsets of {tensors:,} tensors, in {4 * (_HEADER + tensors):,} bytes"
    if len(data) != 4 * (_HEADER + tensors):
        raise damaged(model.name, f"a memory plan of {len(data):,} bytes", expected)
    version, graph, count, *numbers = struct.unpack(f"<{_HEADER + tensors}i", data)
    if (version, graph, count) != (_VERSION, _GRAPH, tensors):
        found = f"a memory plan of version {version}, graph {graph}, {count:,} tensors"
        raise damaged(model.name, found, expected)
    offsets = {i: offset for i, offset in enumerate(numbers) if offset != _PLANNER_DECIDES}
    _check_plan(model, offsets)
    return offsets


def planned_bytes(model: TFLiteModel) -> int | None:
    """Returns the bytes that the feature maps take in TFLite-Micro, by the file's plan if any.

    None where `plannable_maps` has none.

    Raises:
      UserError: the file's plan is wrong.
    """
    fixed = stored_plan(model) or {}
    maps = plannable_maps(model)
    return None if maps is None else _place(maps, _neighbours(maps), _greedy_order, fixed).bytes


def plannable_maps(model: TFLiteModel) -> tuple[FeatureMap, ...] | None:
    """Returns the feature maps to place; None where no arena can be computed.

    That is where the file has several graphs, a feature map of a size that is not known, or so
    many alive at once that no real network has them.
    """
    maps = feature_maps(model.main) if len(model.graphs) == 1 else None
    if maps is None:
        return None
    alive = live_bytes([replace(each, bytes=1) for each in maps], len(model.main.operators))
    return maps if max(alive, default=0) * len(maps) <= _MOST_PAIRS else None


def _check_plan(model: TFLiteModel, offsets: dict[int, int]) -> None:
    maps = [each for each in plannable_maps(model) or () if each.index in offsets]
    wrong = [offset for offset in offsets.values() if offset < 0 or offset % ALIGNMENT]
    if wrong:
        found = f"a memory plan with the offset {wrong[0]:,}"
        raise damaged(model.name, found, f"offsets that are multiples of {ALIGNMENT}")
    for each, others in zip(maps, _neighbours(maps), strict=True):
        start = offsets[each.index]
        for other in (maps[index] for index in others):
            other_start = offsets[other.index]
            if start < other_start + other.bytes and other_start < start + each.bytes:
                raise damaged(
                    model.name,
                    f"a memory plan in which tensors {each.index} and {other.index} overlap",
                    "tensors that live at the same time to lie apart",
                )


def _neighbours(maps: Sequence[FeatureMap]) -> list[list[int]]:
    """Returns for each feature map the positions of those that are alive at the same time."""
    neighbours: list[list[int]] = [[] for _ in maps]
    alive: list[int] = []
    for position in sorted(range(len(maps)), key=lambda position: maps[position].first):
        alive = [other for other in alive if maps[other].last >= maps[position].first]
        for other in alive:
            neighbours[position].append(other)
            neighbours[other].append(position)
        alive.append(position)
    return neighbours


def _place(
    maps: Sequence[FeatureMap],
    neighbours: list[list[int]],
    order: _Order,
    fixed: Mapping[int, int] | None = None,
) -> _Placement:
    """Places feature maps in an order, each at the lowest free offset; the `fixed` ones first."""
    offsets = dict(fixed or {})
    for position in sorted(range(len(maps)), key=lambda position: order(maps[position])):
        each = maps[position]
        if each.index not in offsets:
            near = [maps[other] for other in neighbours[position] if maps[other].index in offsets]
            taken = sorted((offsets[other.index], other.bytes) for other in near)
            offsets[each.index] = _lowest_gap(each.bytes, taken)
    return _Placement(max((offsets[each.index] + each.bytes for each in maps), default=0), offsets)


def _lowest_gap(size: int, taken: Sequence[tuple[int, int]]) -> int:
    """Returns the lowest offset with `size` free bytes between (offset, bytes) in order."""
    end = 0
    for start, length in taken:
        if start - end >= size:
            break
        end = max(end, start + length)
    return end


def _greedy_order(each: FeatureMap) -> tuple[float, ...]:
    """TFLite-Micro's order: by size, the tensor of the higher index first among equals."""
    return -each.bytes, -each.index


_ORDERS: tuple[_Order, ...] = (
    lambda each: (-each.bytes, each.first),
    lambda each: (-each.bytes, -each.last),
    lambda each: (-each.bytes, each.first - each.last),
    lambda each: (each.first, -each.bytes),
)


def _random_order(maps: Sequence[FeatureMap], draw: random.Random) -> _Order:
    """Shuffles equal sizes, or, half of the time, also sizes that are near each other."""
    weights = {each.index: draw.random() for each in maps}
    if draw.random() < 0.5:
        return lambda each: (-each.bytes, weights[each.index])
    return lambda each: (-each.bytes * (0.4 + 3 * weights[each.index]), 0)
