"""Rewrites change the plan as they say, and leave every reference whole."""

from __future__ import annotations

import pytest

from reszoo.plan import Plan, fold_norms, for_device, for_inference, plan
from tests.plan.specs import cifar


def assert_whole(rewritten: Plan) -> None:
    seen: set[str] = set()
    for row in rewritten.rows:
        assert all(ref.row in seen for ref in row.inputs)
        seen.add(row.name)
    assert all(ref.row in seen for ref in (*rewritten.outputs, *rewritten.stages.values()))


@pytest.mark.parametrize("connection", ["residual", "highway", "stochastic"])
def test_inference_has_no_stochastic_rows(connection: str) -> None:
    block = {"connection": connection, "survival_probability": 0.8, "dropout": 0.3}
    rewritten = for_inference(plan(cifar(2, block=block)))
    assert_whole(rewritten)
    assert not [row for row in rewritten.rows if row.op == "dropout"]
    # the expectation stays: each branch counts p-fold
    assert [row for row in rewritten.rows if row.tags.part == "survival_probability"]


@pytest.mark.parametrize("order", ["post", "full_pre", "relu_only_pre", "bn_after_add"])
def test_folding_leaves_only_norms_that_no_convolution_feeds(order: str) -> None:
    canonical = plan(cifar(2, block={"order": order}))
    folded = fold_norms(canonical)
    assert_whole(folded)
    rows = {row.name: row for row in folded.rows}
    for row in folded.rows:
        if row.op == "norm":
            assert rows[row.inputs[0].row].op not in ("conv", "dense")
    norms = sum(row.op == "norm" for row in canonical.rows)
    left = sum(row.op == "norm" for row in folded.rows)
    replaced = [row for row in folded.rows if row.stands_for]
    assert norms - left == len(replaced) > 0
    assert all(row.attributes["bias"] for row in replaced)


def test_fast_rows_stand_for_canonical_rows_of_the_same_name() -> None:
    canonical = plan(cifar(2))
    fast = for_device(canonical, "cpu")
    assert_whole(fast)
    for before, after in zip(canonical.rows, fast.rows, strict=True):
        assert (before.name, before.parameters, before.shape) == (
            after.name,
            after.parameters,
            after.shape,
        )
        if before.op == "norm":
            assert after.op == "fused_norm"
            assert after.stands_for == (before.name,)
    assert for_device(canonical, "tpu") == canonical
