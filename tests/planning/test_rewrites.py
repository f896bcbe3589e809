"""Rewrites change the plan as they say, and leave every reference whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reszoo.planning import Plan
from reszoo.planning.device_rewrites import for_device
from reszoo.planning.network import plan
from reszoo.planning.rewrites import fold_norms, for_inference
from reszoo.planning.rows import Ref
from tests.planning.specs import architecture, cifar


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
    remaining = sum(row.op == "norm" for row in folded.rows)
    replaced = [row for row in folded.rows if row.stands_for]
    assert norms - remaining == len(replaced) > 0
    assert all(row.attributes["bias"] for row in replaced)


def test_a_norm_stays_where_a_shortcut_reads_the_convolution_before_it() -> None:
    # The stem ends with a convolution (its pool) that the norm of the first pre-activation and the
    # identity shortcut both read.
    spec = architecture(
        name="net",
        input={"shape": [8, 8, 3]},
        norm="none",
        activation="none",
        stem={"filters": 16, "activation": "relu", "pool": {"kind": "conv", "filters": 16}},
        block={"order": "full_pre", "norm": "batch", "activation": "relu"},
        stages=[{"depth": 1, "width": 16}],
        classes=3,
    )
    canonical = plan(spec)
    norm, add = "stage1_block1_preactivation_norm", "stage1_block1_merge_add"
    assert {canonical.row(name).inputs[0].row for name in (norm, add)} == {"stem_pool_conv"}
    folded = fold_norms(canonical)
    assert_whole(folded)
    assert folded.row(norm).inputs == canonical.row(norm).inputs
    assert folded.row("stem_pool_conv") == canonical.row("stem_pool_conv")
    assert folded.row("stage1_block1_conv1").stands_for[1:] == ("stage1_block1_norm2",)


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
            assert after.op == "piecewise_norm"
            assert after.stands_for == (before.name,)
    assert for_device(canonical, "tpu") == canonical


def bottlenecks() -> Plan:
    """Wide enough on maps large enough for every fast row."""
    stages = [{"depth": 2, "width": 64}, {"depth": 2, "width": 128, "stride": 2}]
    return plan(
        architecture(
            name="bottlenecks",
            input={"shape": [32, 32, 3]},
            stem={"filters": 64},
            block={"transform": "bottleneck", "shortcut": "projection"},
            stages=stages,
            classes=10,
        )
    )


def highways(**gate: object) -> Plan:
    """Two stages of highway blocks on large maps."""
    stages = [{"depth": 2, "width": 32, "after": {"dropout": 0.2}}, {"depth": 1, "width": 32}]
    return plan(
        architecture(
            name="highways",
            input={"shape": [32, 32, 3]},
            norm="none",
            stem={"filters": 32},
            block={"transform": "conv", "connection": "highway", "gate": gate},
            stages=stages,
            classes=10,
        )
    )


@pytest.mark.parametrize("make", [bottlenecks, highways])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_fast_rows_stand_for_every_canonical_row_once(make: Callable[[], Plan], dtype: str) -> None:
    canonical = make()
    fast = for_device(canonical, "cpu", dtype)
    assert_whole(fast)
    stood_for = [name for row in fast.rows for name in row.stands_for or (row.name,)]
    assert sorted(stood_for) == sorted(row.name for row in canonical.rows)
    assert all(row.stands_for[-1] == row.name for row in fast.rows if row.stands_for)
    assert fast.stages == canonical.stages
    assert fast.outputs == canonical.outputs
    for count in ("parameters", "other_parameters", "macs"):
        totals = [sum(getattr(row, count) for row in rows) for rows in (canonical.rows, fast.rows)]
        assert totals[0] == totals[1]


def test_norm_computes_the_large_relu_that_alone_reads_it_on_cpus() -> None:
    canonical = bottlenecks()
    for dtype in ("float32", "mixed_bfloat16"):
        fast = for_device(canonical, "cpu", dtype)
        norm, relu = (fast.row(f"stage1_block1_{part}") for part in ("norm1", "activation1"))
        assert norm.attributes["relu"]
        assert (relu.op, relu.attributes) == ("activation", {"function": "none"})
        assert "relu" not in fast.row("stage1_block1_norm3").attributes
    ends = {**canonical.stages, "stem": Ref("stage1_block1_norm1")}
    fast = for_device(replace(canonical, stages=ends), "cpu", "mixed_bfloat16")
    assert "relu" not in fast.row("stage1_block1_norm1").attributes
    gpu = for_device(canonical, "gpu", "mixed_bfloat16")
    assert "piecewise_norm" not in {row.op for row in gpu.rows}
    small = for_device(plan(cifar(2, input={"shape": [8, 8, 3]})), "cpu")
    assert not [row for row in small.rows if row.attributes.get("relu")]


@pytest.mark.parametrize(("width", "expected"), [(64, {False}), (128, {False, True})])
def test_weight_gradient_of_narrow_small_maps_is_a_product_only_without_amx(
    width: int, expected: set[bool]
) -> None:
    stages = [{"depth": 1, "width": 16}, {"depth": 2, "width": width, "stride": 4}]
    canonical = plan(cifar(stages=stages))
    last = [row.name for row in canonical.rows if row.op == "conv"][-1]
    assert canonical.row(last).shape == (8, 8, width)
    found = {
        amx
        for amx in (False, True)
        if for_device(canonical, "cpu", "mixed_bfloat16", amx=amx).row(last).op == "product_conv"
    }
    assert found == expected
    assert for_device(canonical, "cpu", "float32").row(last).op == "conv"


def test_compiled_relus_are_for_large_maps_in_bfloat16_on_cpus() -> None:
    compiled = {"add_relu", "fused_relu"}
    stages = {**bottlenecks().stages, "stem": Ref("stage1_block1_norm1")}  # its ReLU stays alone
    canonical = replace(bottlenecks(), stages=stages)
    ops = {row.op for row in for_device(canonical, "cpu", "mixed_bfloat16").rows}
    assert compiled < ops
    for kind, dtype in [("cpu", "float32"), ("gpu", "mixed_bfloat16")]:
        assert not compiled & {row.op for row in for_device(bottlenecks(), kind, dtype).rows}
    small = for_device(plan(cifar(2, input={"shape": [8, 8, 3]})), "cpu", "mixed_bfloat16")
    assert not compiled & {row.op for row in small.rows}


def test_each_reader_of_an_added_relu_has_an_output_of_its_own() -> None:
    fast = for_device(bottlenecks(), "cpu", "mixed_bfloat16")
    read = [ref for row in fast.rows for ref in row.inputs]
    added = [row for row in fast.rows if row.op == "add_relu"]
    assert [row.attributes["copies"] for row in added] == [2, 2, 2, 1]
    for row in added:
        outputs = [ref.output for ref in read if ref.row == row.name]
        assert outputs == list(range(row.attributes["copies"]))


def test_stage_that_ends_before_its_relu_keeps_its_addition() -> None:
    canonical = bottlenecks()
    end = next(
        row.inputs[0] for row in canonical.rows if row.name == canonical.stages["stage1"].row
    )
    fast = for_device(replace(canonical, stages={"stage1": end}), "cpu", "mixed_bfloat16")
    assert fast.row(end.row).op == "add"


def test_gated_merge_takes_the_sigmoid_and_the_relu_that_only_it_reads() -> None:
    fast = for_device(highways(kernel=1), "cpu", "mixed_bfloat16")
    merges = [row for row in fast.rows if row.op == "gated_merge"]
    assert [row.attributes for row in merges] == [
        {"relu": True, "copies": 3},
        {"relu": True, "copies": 1},
        {"relu": True, "copies": 1},
    ]
    block = "stage1_block1_"
    assert merges[0].stands_for == tuple(
        block + part
        for part in (
            "activation1",
            "transform_gate_sigmoid",
            "merge_subtract",
            "merge_multiply",
            "merge_add",
        )
    )
    assert [ref.row for ref in merges[0].inputs] == [
        "stem_activation",
        block + "conv1",
        block + "transform_gate_conv",
    ]


def test_convolution_of_a_gate_computes_that_of_h_where_their_kernels_have_one_shape() -> None:
    canonical = highways()
    fast = for_device(canonical, "cpu", "mixed_bfloat16")
    assert not [row for row in fast.rows if row.op == "gated_merge"]
    h, gate, merge = (
        fast.row(f"stage1_block1_{part}") for part in ("conv1", "transform_gate_conv", "merge_add")
    )
    assert [row.op for row in (h, gate, merge)] == [
        "deferred_conv",
        "interleaved_conv",
        "interleaved_merge",
    ]
    # The stem has an output for each reader that computes: the merge and the convolution.
    assert gate.inputs == (Ref("stem_activation"), Ref(h.name, 0), Ref(h.name, 1))
    assert gate.shape == (32, 32, 64)
    assert merge.inputs == (Ref("stem_activation"), Ref(gate.name))
    assert merge.attributes == {"copies": 2}
    assert [ref for row in fast.rows for ref in row.inputs if ref.row == merge.name] == [
        Ref(merge.name, 0),  # H's convolution only takes its shape
        Ref(merge.name, 0),
        Ref(merge.name, 1),
    ]
    assert merge.stands_for[0] == "stage1_block1_activation1"


def test_convolutions_that_something_else_reads_or_without_a_relu_stay_two() -> None:
    canonical = highways()
    stages = {**canonical.stages, "stage1": Ref("stage1_block1_conv1")}
    fast = for_device(replace(canonical, stages=stages), "cpu", "mixed_bfloat16")
    joined = [row.name for row in fast.rows if row.op == "interleaved_merge"]
    assert joined == ["stage1_block2_merge_add", "stage2_block1_merge_add"]
    block = {"transform": "conv", "connection": "highway"}
    tanh = plan(cifar(1, norm="none", activation="tanh", block=block))
    assert "interleaved_conv" not in {row.op for row in for_device(tanh, "cpu", "bfloat16").rows}


@pytest.mark.parametrize("gate", [{"coupled": False}, {"granularity": "channel"}])
def test_other_merges_stay_as_they_are(gate: dict[str, object]) -> None:
    fast = for_device(highways(**gate), "cpu", "mixed_bfloat16")
    assert not {"gated_merge", "interleaved_merge"} & {row.op for row in fast.rows}
