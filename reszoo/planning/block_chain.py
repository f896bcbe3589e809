"""The blocks of a plan as a chain: what enters and leaves each, and its addition and its gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from reszoo.planning.rows import Plan, Ref, Row

_GATES = ("transform_gate", "carry_gate")


@dataclass(frozen=True)
class Segment:
    """Rows that follow each other: those of one block, or those before, between and after blocks.

    Every segment of a planned network reads one feature map and returns one.
    """

    stage: int | None
    block: int | None
    """Both count from 1; None outside of blocks."""
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """`stage2.block3`, or the role of the first row outside of blocks.

        Examples:
          >>> from reszoo.planning.network import plan
          >>> from reszoo.spec import load
          >>> [segment.name for segment in segments(plan(load("resnet8_digits")))]
          ['stem', 'stage1.block1', 'stage2.block1', 'stage3.block1', 'head']
        """
        if self.block is None:
            return self.rows[0].tags.role
        return f"stage{self.stage}.block{self.block}"

    @cached_property
    def inputs(self) -> tuple[Ref, ...]:
        """What the rows read from other segments."""
        own = {row.name for row in self.rows}
        refs = (ref for row in self.rows for ref in row.inputs if ref.row not in own)
        return tuple(dict.fromkeys(refs))

    @property
    def output(self) -> Ref:
        """The feature map that the segment returns."""
        return Ref(self.rows[-1].name)

    @cached_property
    def addition(self) -> Row | None:
        """The row that adds the shortcut (first input) and H (second); None in a plain block."""
        if self.block is None:
            return None
        return next((row for row in self.rows if (row.op, row.tags.role) == ("add", "merge")), None)

    @cached_property
    def gate(self) -> Row | None:
        """The row of the gate's values, sigmoid(W x + b); None in a block without one."""
        gates = [row for row in self.rows if row.tags.role in _GATES and row.op == "activation"]
        return min(gates, key=lambda row: _GATES.index(row.tags.role), default=None)

    def rows_for(self, ref: Ref) -> tuple[Row, ...]:
        """Returns the rows of the segment that an output of one of them depends on."""
        needed, wanted = [], {ref.row}
        for row in reversed(self.rows):
            if row.name in wanted:
                needed.append(row)
                wanted |= {ref.row for ref in row.inputs}
        return tuple(reversed(needed))


def segments(plan: Plan) -> tuple[Segment, ...]:
    """Returns the rows of a plan in segments, from the image to the logits; none is left out."""
    return tuple(_segments(plan))


def _segments(plan: Plan) -> Iterator[Segment]:
    for (stage, block), rows in groupby(plan.rows, lambda row: _position(row)):
        yield Segment(stage, block, tuple(rows))


def _position(row: Row) -> tuple[int | None, int | None]:
    return (row.tags.stage, row.tags.block) if row.tags.block is not None else (None, None)


def blocks_of(plan: Plan) -> tuple[Segment, ...]:
    """Returns the segments that are blocks."""
    return tuple(segment for segment in segments(plan) if segment.block is not None)
