"""Fusion of rows on a CPU: norms and additions with ReLU, gated merges, and the gate's convolution.

A group becomes one row with the name of its last; a norm and its ReLU stay two rows. `add_relu` and
the merges have one output per reader (attribute `copies`), all equal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reszoo.planning.rewrites import reader_counts
from reszoo.planning.rows import Plan, Ref, Row

_LARGE_MAP = 1 << 13
"""Values per example from which on a compiled kernel is worth its overhead."""
_FORKED = ("add_relu", "gated_merge", "interleaved_merge")


def is_large_relu(row: Row) -> bool:
    """Whether a row is the ReLU of a map that is worth a compiled kernel."""
    return _is_large(row) and _is_activation(row, "relu")


def fuse_add_relu(plan: Plan) -> Plan:
    """Fuses each addition with the large ReLU that is its only reader."""
    fusion = _Fusion(plan)
    for row in plan.rows:
        if not is_large_relu(row):
            continue
        total = fusion.rows[row.inputs[0].row]
        if total.op == "add" and fusion.has_one_reader(total) and fusion.has_one_shape(total):
            fusion.fuse(row, "add_relu", total.inputs, {"copies": 1}, [total])
    return fusion.plan()


def fuse_norm_relu(plan: Plan) -> Plan:
    """Lets each `piecewise_norm` compute the large ReLU that alone reads it.

    The norm keeps its row, whose name its weights have, and the row of the ReLU hands the map on.
    """
    fusion = _Fusion(plan)
    for row in plan.rows:
        if not is_large_relu(row):
            continue
        norm = fusion.rows[row.inputs[0].row]
        if norm.op == "piecewise_norm" and fusion.has_one_reader(norm):
            fusion.change(norm, norm.op, attributes={**norm.attributes, "relu": True})
            fusion.change(row, "activation", attributes={"function": "none"})
    return fusion.plan()


def fuse_gated_merge(plan: Plan) -> Plan:
    """Fuses each large coupled merge x + T (H - x) with the sigmoid of T.

    The ReLU of H is included if only the merge reads it.
    """
    fusion = _Fusion(plan)
    for row in plan.rows:
        if row.op != "add" or not _is_large(row):
            continue
        shortcut, product = row.inputs
        merge = fusion.match_gated_product(fusion.rows[product.row], shortcut)
        if merge is None or not fusion.has_one_shape(row):
            continue
        change, gate, multiply = merge
        inner = [change, gate, multiply]
        h = change.inputs[0]
        relu = _is_activation(fusion.rows[h.row], "relu") and fusion.has_one_reader(
            fusion.rows[h.row]
        )
        if relu:
            inner.insert(0, fusion.rows[h.row])
            h = fusion.rows[h.row].inputs[0]
        attributes = {"relu": relu, "copies": 1}
        fusion.fuse(row, "gated_merge", (shortcut, h, gate.inputs[0]), attributes, inner)
    return fusion.plan()


def join_gate_convs(plan: Plan) -> Plan:
    """Lets the convolution of a gate compute that of H too, where both only feed a gated merge.

    Both read the same input, with kernels of one shape, and H is a ReLU of its convolution. H's row
    hands on its kernel; the map of the gate's row has the channels of both in turns.
    """
    fusion = _Fusion(plan)
    for row in plan.rows:
        if row.op != "gated_merge" or not row.attributes["relu"]:
            continue
        shortcut, *maps = row.inputs
        h, gate = (fusion.rows[ref.row] for ref in maps)
        if _are_one_conv(h, gate) and all(map(fusion.has_one_reader, (h, gate))):
            fusion.change(h, "deferred_conv")
            fusion.change(
                gate,
                "interleaved_conv",
                inputs=(*gate.inputs, Ref(h.name, 0), Ref(h.name, 1)),
                shape=(*gate.shape[:-1], 2 * gate.shape[-1]),
                attributes={**gate.attributes, "products": gate.op == "product_conv"},
            )
            inputs, copies = (shortcut, Ref(gate.name)), row.attributes["copies"]
            fusion.change(row, "interleaved_merge", inputs=inputs, attributes={"copies": copies})
    return fusion.plan()


def _are_one_conv(*rows: Row) -> bool:
    """Whether rows are convolutions of the same input that differ only in their weights."""
    same = ("filters", "kernel", "stride", "padding")
    kinds = {(row.op, row.inputs, *(row.attributes.get(name) for name in same)) for row in rows}
    return len(kinds) == 1 and all(
        row.op in ("conv", "product_conv")
        and row.attributes["groups"] == 1
        and row.attributes["bias"]
        for row in rows
    )


class _Fusion:
    """A plan during fusion of groups of its rows."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._readers: Counter[Ref] = reader_counts(plan)
        self._stage_outputs = set(plan.stages.values())
        self._fused: set[str] = set()
        self.rows: dict[str, Row] = {row.name: row for row in plan.rows}

    def has_one_reader(self, row: Row) -> bool:
        """Whether a single row reads the output of this row, and no stage ends with it."""
        return self._readers[Ref(row.name)] == 1 and Ref(row.name) not in self._stage_outputs

    def has_one_shape(self, row: Row) -> bool:
        """Whether no input of the row is broadcast."""
        return all(self.rows[ref.row].shape == row.shape for ref in row.inputs)

    def match_gated_product(self, multiply: Row, shortcut: Ref) -> tuple[Row, Row, Row] | None:
        """Matches T (H - x); returns its difference, sigmoid and product, or None."""
        if multiply.op != "multiply":
            return None
        change, gate = (self.rows[ref.row] for ref in multiply.inputs)
        rows = (change, gate, multiply)
        matches = (
            change.op == "subtract"
            and change.inputs[1] == shortcut
            and _is_activation(gate, "sigmoid")
            and all(map(self.has_one_reader, rows))
            and self.has_one_shape(multiply)
            and self.has_one_shape(change)
        )
        return rows if matches else None

    def fuse(
        self,
        last: Row,
        op: str,
        inputs: tuple[Ref, ...],
        attributes: Mapping[str, object],
        inner: list[Row],
    ) -> None:
        """Replaces `inner` rows and the last one by a single row with the name of the last."""
        names = [row.name for row in self._plan.rows if row in inner or row.name == last.name]
        self._fused |= {row.name for row in inner}
        self.rows[last.name] = replace(
            last, op=op, inputs=inputs, attributes=attributes, stands_for=tuple(names)
        )

    def change(self, row: Row, op: str, **fields: Any) -> None:
        """Gives a row another op, and `fields`."""
        stands_for = row.stands_for or (row.name,)
        self.rows[row.name] = replace(row, op=op, stands_for=stands_for, **fields)

    def plan(self) -> Plan:
        """Returns the plan with the fused rows."""
        rows = (self.rows[row.name] for row in self._plan.rows if row.name not in self._fused)
        return replace(self._plan, rows=tuple(rows))


def fork_outputs(plan: Plan) -> Plan:
    """Gives each reader of a fused row its own output; outputs of the plan read the first."""
    computing = tuple(row for row in plan.rows if row.op != "deferred_conv")
    readers = reader_counts(replace(plan, rows=computing, outputs=()))
    copies = {
        row.name: readers[Ref(row.name)]
        for row in plan.rows
        if row.op in _FORKED and readers[Ref(row.name)] > 1
    }
    outputs: dict[str, Iterator[int]] = {name: iter(range(count)) for name, count in copies.items()}
    rows = []
    for row in plan.rows:
        if row.name in copies:
            row = replace(row, attributes={**row.attributes, "copies": copies[row.name]})
        inputs = tuple(
            Ref(ref.row, next(outputs[ref.row]))
            if ref.row in outputs and row.op != "deferred_conv"
            else ref
            for ref in row.inputs
        )
        rows.append(replace(row, inputs=inputs))
    return replace(plan, rows=tuple(rows))


def _is_large(row: Row) -> bool:
    return len(row.shape) == 3 and math.prod(row.shape) >= _LARGE_MAP


def _is_activation(row: Row, function: str) -> bool:
    return row.op == "activation" and row.attributes["function"] == function
