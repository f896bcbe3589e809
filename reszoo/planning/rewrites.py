"""Rewrites from plan to plan: what differs between training and inference.

The builder knows none of this; cost always reads the canonical plan. The rewrites for a device are
in `reszoo.planning.device_rewrites`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from reszoo.planning.rows import Plan, Ref, Row


def for_inference(plan: Plan) -> Plan:
    """The plan without its stochastic rows: dropout and Bernoulli gates are the identity at
    inference. Contrast normalisation becomes the row that int8 can compute, too.
    """
    rows = tuple(
        replace(row, op="centred_contrast", stands_for=(row.name,)) if row.op == "contrast" else row
        for row in plan.rows
    )
    plan = replace(plan, rows=rows)
    return _without(plan, (row for row in rows if row.op == "dropout"))


def fold_norms(plan: Plan) -> Plan:
    """The plan with each normalisation folded into the convolution or dense layer before it.

    A normalisation is folded where nothing else reads the layer before it; that layer then has a
    bias, and stands for both rows. A pre-activation's normalisation stays.
    """
    readers = reader_counts(plan)
    rows = {row.name: row for row in plan.rows}
    folded: dict[str, Row] = {}
    gone: list[Row] = []
    for row in plan.rows:
        before = rows[row.inputs[0].row] if row.inputs else None
        if row.op != "norm" or before is None or before.op not in ("conv", "dense"):
            continue
        if readers[Ref(before.name)] == 1:
            folded[before.name] = _with_bias(before, row)
            gone.append(row)
    plan = replace(plan, rows=tuple(folded.get(row.name, row) for row in plan.rows))
    return _without(plan, gone)


def _with_bias(row: Row, norm: Row) -> Row:
    bias = 0 if row.attributes["bias"] else row.shape[-1]
    return replace(
        row,
        attributes={**row.attributes, "bias": True},
        parameters=row.parameters + bias,
        stands_for=(row.name, norm.name),
    )


def reader_counts(plan: Plan) -> Counter[Ref]:
    """How many rows (or outputs of the plan) read each output."""
    counts = Counter(ref for row in plan.rows for ref in row.inputs)
    counts.update(plan.outputs)
    return counts


def _without(plan: Plan, gone: Iterable[Row]) -> Plan:
    """The plan without rows of one input, their readers reading that input."""
    removed = {row.name: row.inputs[0] for row in gone}

    def source(ref: Ref) -> Ref:
        while ref.row in removed:
            ref = removed[ref.row]
        return ref

    return rewire(plan, (row for row in plan.rows if row.name not in removed), source)


def rewire(plan: Plan, rows: Iterable[Row], source: Callable[[Ref], Ref]) -> Plan:
    """A plan of these rows, in which every reference is what `source` says."""
    new_rows = []
    for row in rows:
        inputs = tuple(source(ref) for ref in row.inputs)
        new_rows.append(row if inputs == row.inputs else replace(row, inputs=inputs))
    stages: Mapping[str, Ref] = {name: source(ref) for name, ref in plan.stages.items()}
    return Plan(plan.name, tuple(new_rows), tuple(source(ref) for ref in plan.outputs), stages)
