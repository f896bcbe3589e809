"""Inference rewrites: removes stochastic rows and folds normalisations.

The model builder needs none of this, and cost is always that of the canonical plan. The rewrites
for a device are in `reszoo.planning.device_rewrites`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from reszoo.planning.rows import Plan, Ref, Row


def for_inference(plan: Plan) -> Plan:
    """Returns the plan without dropout and stochastic depth, the identity at inference.

    Contrast and group normalisation become the ops that int8 can compute, too.
    """
    plan = with_op(plan, "centred_contrast", lambda row: row.op == "contrast")
    plan = with_op(plan, "centred_group_norm", lambda row: row.op == "group_norm")
    return _without_rows(plan, (row for row in plan.rows if row.op == "dropout"))


def with_op(plan: Plan, op: str, matches: Callable[[Row], bool], **changes: Any) -> Plan:
    """Returns the plan with another op in the rows that match, and `changes` of their fields."""
    matching = {row.name for row in plan.rows if matches(row)}
    if not matching:
        return plan
    rows = (
        replace(row, op=op, stands_for=(row.name,), **changes) if row.name in matching else row
        for row in plan.rows
    )
    return replace(plan, rows=tuple(rows))


def fold_norms(plan: Plan) -> Plan:
    """Returns the plan with normalisations folded into the convolution or dense layer before them.

    A normalisation is folded if nothing else reads that layer, which then has a bias and stands for
    both rows. The normalisation of a pre-activation stays.
    """
    return _fold(plan, lambda row: row.op == "norm", _with_bias)


def fold_factors(plan: Plan) -> Plan:
    """Returns the plan with constant and learned factors folded into the layer before them.

    As with `fold_norms`, that layer stands for both rows.
    """

    def is_factor(row: Row) -> bool:
        return row.op == "scale" or (row.op == "rescale" and row.attributes["offset"] == 0.0)

    return _fold(plan, is_factor, lambda row: {})


def _fold(
    plan: Plan, matches: Callable[[Row], bool], changes: Callable[[Row], dict[str, Any]]
) -> Plan:
    """Folds rows into the convolution or dense layer before them, if they are its only reader."""
    readers = reader_counts(plan)
    rows = {row.name: row for row in plan.rows}
    folded: dict[str, Row] = {}
    removed: list[Row] = []
    for row in plan.rows:
        before = rows[row.inputs[0].row] if row.inputs else None
        if not matches(row) or before is None or before.op not in ("conv", "dense"):
            continue
        if readers[Ref(before.name)] == 1:
            stands_for = (*(before.stands_for or (before.name,)), row.name)
            folded[before.name] = replace(before, stands_for=stands_for, **changes(before))
            removed.append(row)
    plan = replace(plan, rows=tuple(folded.get(row.name, row) for row in plan.rows))
    return _without_rows(plan, removed)


def _with_bias(row: Row) -> dict[str, Any]:
    bias = 0 if row.attributes["bias"] else row.shape[-1]
    attributes = {**row.attributes, "bias": True}
    return {"attributes": attributes, "parameters": row.parameters + bias}


def reader_counts(plan: Plan) -> Counter[Ref]:
    """Counts the rows and plan outputs that read each output."""
    counts = Counter(ref for row in plan.rows for ref in row.inputs)
    counts.update(plan.outputs)
    return counts


def _without_rows(plan: Plan, rows: Iterable[Row]) -> Plan:
    """Returns the plan without rows of one input; their readers read that input instead."""
    sources = {row.name: row.inputs[0] for row in rows}
    if not sources:
        return plan

    def source(ref: Ref) -> Ref:
        while ref.row in sources:
            ref = sources[ref.row]
        return ref

    return rewire(plan, (row for row in plan.rows if row.name not in sources), source)


def rewire(plan: Plan, rows: Iterable[Row], source: Callable[[Ref], Ref]) -> Plan:
    """Returns a plan of these rows in which `source` maps every reference."""
    new_rows = []
    for row in rows:
        inputs = tuple(source(ref) for ref in row.inputs)
        new_rows.append(row if inputs == row.inputs else replace(row, inputs=inputs))
    stages = {name: source(ref) for name, ref in plan.stages.items()}
    return Plan(plan.name, tuple(new_rows), tuple(source(ref) for ref in plan.outputs), stages)
