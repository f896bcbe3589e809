"""Row outputs that are never negative, whatever the weights, proven row by row."""

from __future__ import annotations

from collections.abc import Mapping

from reszoo.planning.rows import Plan, Ref, Row

_NONNEGATIVE_ACTIVATIONS = frozenset({"relu", "relu6", "sigmoid"})

_PRESERVING = frozenset(
    {"max_pool", "average_pool", "global_average_pool", "global_max_pool", "subsample", "blur"}
    | {"flatten", "reshape", "dropout", "crop", "pad_channels", "add", "multiply"}
)
"""Ops whose output is nonnegative if all inputs are."""


def nonnegative_outputs(plan: Plan) -> frozenset[Ref]:
    """Returns the outputs that are nonnegative for any image and any weights."""
    rows = {row.name: row for row in plan.rows}
    proven: set[Ref] = set()
    for row in plan.rows:
        if _is_nonnegative(row, rows, proven):
            proven.add(Ref(row.name))
    return frozenset(proven)


def _is_nonnegative(row: Row, rows: Mapping[str, Row], proven: set[Ref]) -> bool:
    attributes = row.attributes
    if row.op == "activation" and attributes["function"] in _NONNEGATIVE_ACTIVATIONS:
        return True
    if row.op == "add" and _is_highway(row, rows):
        # x + T (h - x) lies between x and h, also after rounding.
        change = rows[rows[row.inputs[1].row].inputs[0].row]
        return proven.issuperset(change.inputs)
    preserves = (
        row.op in _PRESERVING
        or (row.op == "activation" and attributes["function"] == "none")
        or (row.op == "pad" and attributes["value"] >= 0)
        or (row.op == "rescale" and attributes["scale"] >= 0 and attributes["offset"] >= 0)
    )
    return preserves and proven.issuperset(row.inputs)


def _is_highway(add: Row, rows: Mapping[str, Row]) -> bool:
    """Returns whether a row adds T (h - x) to x, where T is a sigmoid."""
    x, product = add.inputs[0], rows[add.inputs[1].row]
    if product.op != "multiply":
        return False
    change, gate = (rows[ref.row] for ref in product.inputs)
    is_gate = gate.op == "activation" and gate.attributes["function"] == "sigmoid"
    return is_gate and change.op == "subtract" and change.inputs[1] == x
