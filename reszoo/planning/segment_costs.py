"""Costs of many similar networks: those of stem, blocks and head are computed once and combined.

Only one feature map leads from a block to the next, so parameters and multiply-adds add up, and the
peak of the activations is the highest of the parts'.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from reszoo.errors import UserError
from reszoo.planning.cost import Cost, alive_values, cost, depths, weights_and_biases
from reszoo.planning.network import BEFORE, plan_after_stage, plan_block, plan_head, plan_stem
from reszoo.planning.rewrites import fold_norms, for_inference, reader_counts
from reszoo.planning.rows import Plan, Ref, Row, Shape
from reszoo.spec.architecture import Architecture

_OWN_FIELDS = ("stages", "name", "title", "source", "published", "weights", "classes", "head")
"""Fields on which the plan of a block does not depend, or on its stage's entry alone."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """The cost of the stem, a block, what follows a stage, or the head; see `Cost`."""

    parameters: int
    other_parameters: int
    macs: int
    weights: int
    biases: int
    peak: int
    depth: int
    """Weighted layers to the output."""
    longest: int
    """Weighted layers of the longest path."""
    shape: Shape
    """Shape of the output."""
    foldable: Row | None
    """The last row, if a normalisation after it would be folded into it."""
    begins_with_norm: bool
    """Whether a normalisation alone reads the input."""
    is_empty: bool
    """Whether the output is the input, so that what comes before meets what comes after."""
    closed: bool
    """Whether nothing but the output is alive in the end."""


class SegmentCosts:
    """Costs of specs, with the costs of the segments seen so far."""

    def __init__(self) -> None:
        self._segments: dict[Hashable, _Segment | UserError] = {}
        self._contexts: dict[Hashable, int] = {}

    def cost(self, spec: Architecture) -> Cost:
        """Returns the cost of a spec, equal to `reszoo.planning.cost.cost`.

        Raises:
          UserError: the spec is valid but no network; see `reszoo.planning.network.plan`.
        """
        segments = self._segments_of(spec)
        if not all(segment.closed for segment in segments):
            return cost(spec)
        weights = sum(segment.weights for segment in segments)
        biases = sum(segment.biases for segment in segments)
        for before, after in pairwise(segments):
            if before.foldable is not None and after.begins_with_norm:
                channels = before.foldable.shape[-1]
                weights -= channels
                biases -= channels if before.foldable.attributes["bias"] else 0
        depth = longest = 0
        for segment in segments:
            longest = max(longest, depth + segment.longest)
            depth += segment.depth
        peak = max(segment.peak for segment in segments)
        return Cost(
            parameters=sum(segment.parameters for segment in segments),
            other_parameters=sum(segment.other_parameters for segment in segments),
            macs=sum(segment.macs for segment in segments),
            weight_bytes_int8=weights + 4 * biases,
            weight_bytes_fp16=2 * (weights + biases),
            weight_bytes_fp32=4 * (weights + biases),
            peak_activation_bytes_int8=peak,
            peak_activation_bytes_fp32=4 * peak,
            depth=longest,
        )

    def _segments_of(self, spec: Architecture) -> list[_Segment]:
        context = tuple(value for field, value in spec if field not in _OWN_FIELDS)
        number = self._contexts.setdefault(context, len(self._contexts))
        segments = [self._segment((number,), plan_stem, spec)]
        for index in range(len(spec.stages)):
            segments += self._stage(spec, index, number, segments[-1].shape)
        shape = segments[-1].shape
        key = (number, shape, spec.classes, spec.head)
        segments.append(self._segment(key, plan_head, spec, shape))
        return [segment for segment in segments if not segment.is_empty]

    def _stage(
        self, spec: Architecture, index: int, context: int, shape: Shape
    ) -> Iterator[_Segment]:
        """Yields the segments of a stage, on an input of this shape."""
        stage = spec.stages[index]
        entry = tuple(value for field, value in stage if field != "depth")
        last = stage.depth - 1 if "last" in (stage.strided_block, spec.block.strided_block) else 0
        survives = _always_survives(spec, index)
        blocks: dict[Hashable, _Segment] = {}
        for number in range(stage.depth):
            # A block depends on its number in nothing else that costs.
            ends = number == 0, number == last, index == number == 0
            place = None if survives else (tuple(s.depth for s in spec.stages), index, number)
            key = (shape, ends, place)
            if key not in blocks:
                whole_key = (context, entry, key)
                blocks[key] = self._segment(whole_key, plan_block, spec, index, number, shape)
            yield blocks[key]
            shape = blocks[key].shape
        after = (context, shape, entry, index == len(spec.stages) - 1)
        yield self._segment(after, plan_after_stage, spec, index, shape)

    def _segment(self, key: Hashable, plan: Callable[..., Plan], *arguments: Any) -> _Segment:
        segment = self._segments.get(key)
        if segment is None:
            try:
                segment = _summary(plan(*arguments))
            except UserError as error:
                segment = error
            self._segments[key] = segment
        if isinstance(segment, UserError):
            raise segment.with_traceback(None)
        return segment


def _always_survives(spec: Architecture, index: int) -> bool:
    """Returns whether no block of a stage is dropped in training, whatever its number."""
    stage, block = spec.stages[index], spec.block
    rates = (stage.survival_probability, block.survival_probability)
    return rates == (None, None) and "stochastic" not in (stage.connection, block.connection)


def _summary(plan: Plan) -> _Segment:
    inference = for_inference(plan)
    deployed = fold_norms(inference)
    readers = reader_counts(inference)
    rows = {Ref(row.name): row for row in inference.rows}
    (output,) = inference.outputs
    first = Ref(inference.rows[0].name)
    ends_foldable = rows[output].op in ("conv", "dense") and readers[output] == 1
    norms = [row for row in inference.rows if row.op == "norm" and row.inputs == (first,)]
    weights, biases = weights_and_biases(deployed.rows)
    reached = depths(plan.rows)
    return _Segment(
        parameters=sum(row.parameters for row in plan.rows),
        other_parameters=sum(row.other_parameters for row in plan.rows),
        macs=sum(row.macs for row in plan.rows),
        weights=weights,
        biases=biases,
        peak=max(values for _, values in alive_values(deployed)),
        depth=reached[plan.outputs[0].row],
        longest=max(reached.values()),
        shape=rows[output].shape,
        foldable=rows[output] if ends_foldable else None,
        begins_with_norm=bool(norms) and readers[first] == 1,
        is_empty=output == first and first.row == BEFORE,
        closed=all(readers[ref] for ref in rows),
    )
