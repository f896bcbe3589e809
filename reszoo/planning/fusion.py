"""Which groups of rows does a CPU pass over at once? Additions with their ReLU, and gated merges.

Each becomes one row with the name of its last. `add_relu` and `gated_merge` have one output for
each row that reads them (attribute `copies`), all the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from reszoo.planning.rewrites import reader_counts
from reszoo.planning.rows import Plan, Ref, Row

_LARGE_MAP = 1 << 13
"""Values of one example from which a kernel of its own pays for being compiled and called."""
_FORKED = ("add_relu", "gated_merge")


def is_large(row: Row) -> bool:
    """Whether a map is worth a kernel of its own."""
    return len(row.shape) == 3 and math.prod(row.shape) >= _LARGE_MAP


def is_relu(row: Row) -> bool:
    """Whether a row is the activation `relu`."""
    return _is_activation(row, "relu")


def fuse_add_relu(plan: Plan) -> Plan:
    """Each addition that only a large ReLU reads becomes one row with it."""
    group = _Grouping(plan)
    for row in plan.rows:
        if not (is_relu(row) and is_large(row)):
            continue
        total = group.rows[row.inputs[0].row]
        if total.op == "add" and group.only_feeds(total) and group.of_one_shape(total):
            group.make(row, "add_relu", total.inputs, {"copies": 1}, [total])
    return group.plan()


def fuse_gated_merge(plan: Plan) -> Plan:
    """Each large coupled merge x + T (H - x) becomes one row with the sigmoid of T, and with the
    ReLU of H where only the merge reads it.
    """
    group = _Grouping(plan)
    for row in plan.rows:
        if row.op != "add" or not is_large(row):
            continue
        shortcut, product = row.inputs
        found = group.gated(group.rows[product.row], shortcut)
        if found is None or not group.of_one_shape(row):
            continue
        change, gate, multiply = found
        inside = [change, gate, multiply]
        h = change.inputs[0]
        relu = is_relu(group.rows[h.row]) and group.only_feeds(group.rows[h.row])
        if relu:
            inside.insert(0, group.rows[h.row])
            h = group.rows[h.row].inputs[0]
        attributes = {"relu": relu, "copies": 1}
        group.make(row, "gated_merge", (shortcut, h, gate.inputs[0]), attributes, inside)
    return group.plan()


class _Grouping:
    """A plan while groups of its rows become one row each."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._readers: Counter[Ref] = reader_counts(plan)
        self._kept = set(plan.stages.values())
        self._gone: set[str] = set()
        self.rows: dict[str, Row] = {row.name: row for row in plan.rows}

    def only_feeds(self, row: Row) -> bool:
        """Whether nobody but one other row ever sees this one's output."""
        return self._readers[Ref(row.name)] == 1 and Ref(row.name) not in self._kept

    def of_one_shape(self, row: Row) -> bool:
        """Whether nothing that the row reads is broadcast."""
        return all(self.rows[ref.row].shape == row.shape for ref in row.inputs)

    def gated(self, multiply: Row, shortcut: Ref) -> tuple[Row, Row, Row] | None:
        """The rows of T (H - x) in their own order: difference, sigmoid, product; or None."""
        if multiply.op != "multiply":
            return None
        change, gate = (self.rows[ref.row] for ref in multiply.inputs)
        rows = (change, gate, multiply)
        fits = change.op == "subtract" and change.inputs[1] == shortcut
        fits = fits and _is_activation(gate, "sigmoid") and all(map(self.only_feeds, rows))
        return rows if fits and self.of_one_shape(multiply) and self.of_one_shape(change) else None

    def make(
        self,
        last: Row,
        op: str,
        inputs: tuple[Ref, ...],
        attributes: Mapping[str, object],
        before: list[Row],
    ) -> None:
        """Lets one row, of the name of the last, stand for it and for those before it."""
        names = [row.name for row in self._plan.rows if row in before or row.name == last.name]
        self._gone |= {row.name for row in before}
        self.rows[last.name] = replace(
            last,
            op=op,
            inputs=inputs,
            attributes=attributes,
            stands_for=tuple(names),
        )

    def plan(self) -> Plan:
        """With the groups that were made."""
        rows = (self.rows[row.name] for row in self._plan.rows if row.name not in self._gone)
        return replace(self._plan, rows=tuple(rows))


def fork_outputs(plan: Plan) -> Plan:
    """Each reader of a grouped row reads an output of its own; the plan's outputs read the
    first.
    """
    readers = reader_counts(replace(plan, outputs=()))
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
            Ref(ref.row, next(outputs[ref.row])) if ref.row in outputs else ref
            for ref in row.inputs
        )
        rows.append(replace(row, inputs=inputs))
    return replace(plan, rows=tuple(rows))


def _is_activation(row: Row, function: str) -> bool:
    return row.op == "activation" and row.attributes["function"] == function
