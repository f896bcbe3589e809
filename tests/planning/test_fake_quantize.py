"""Fake quantization rounds what the `.tflite` stores as int8, and nothing else."""

from __future__ import annotations

from collections import defaultdict

import pytest

from reszoo.errors import UserError
from reszoo.planning import Plan
from reszoo.planning.fake_quantize import fake_quantize, quantizable_rows
from reszoo.planning.network import plan
from reszoo.planning.rewrites import fold_factors, fold_norms
from tests.planning.specs import cifar, highway_dense

BLOCKS = {
    "residual": {},
    "plain": {"connection": "plain"},
    "highway": {"connection": "highway"},
    "two gates": {"connection": "highway", "gate": {"coupled": False}},
    "gate per channel": {"connection": "highway", "gate": {"granularity": "channel"}},
    "shortcut gate": {"connection": "shortcut_gate"},
    "constant": {"connection": "constant"},
    "stochastic": {"connection": "stochastic"},
    "scaled": {"connection": "scaled"},
    "pre-activation": {"order": "full_pre"},
    "activation before the addition": {"order": "relu_before_add"},
    "activation alone first": {"order": "relu_only_pre"},
    "norm after the addition": {"order": "bn_after_add"},
    "bottleneck": {"transform": "bottleneck", "shortcut": "projection"},
    "squeeze-excite": {"attention": {"kind": "se", "divisor": 1}},
    "eca": {"attention": "eca"},
    "anti-aliased": {"antialias": "blur"},
}
COMPUTED = ("add", "subtract", "multiply", "channel_scale", "channel_offset", "scale")
SAME_RANGE = ("max_pool", "average_pool", "subsample", "pad", "pad_channels", "blur", "reshape")


def readers(rows: Plan) -> dict[str, list]:
    found = defaultdict(list)
    for row in rows.rows:
        for ref in row.inputs:
            found[ref.row].append(row)
    return found


@pytest.fixture(params=BLOCKS, scope="module")
def quantized(request) -> Plan:
    return fake_quantize(plan(cifar(block=BLOCKS[request.param])))


def test_every_kernel_is_rounded(quantized):
    assert not [row.name for row in quantized.rows if row.op in ("conv", "conv1d", "dense", "norm")]


def test_every_computed_tensor_is_rounded_once_and_never_before_its_relu(quantized):
    reading = readers(quantized)
    for row in quantized.rows:
        if not (row.op.startswith("quantized_") or row.op in COMPUTED):
            continue
        [reader] = reading[row.name]
        if reader.op == "activation" and reader.attributes["function"] == "relu":
            [reader] = reading[reader.name]
        assert reader.op == "fake_quantize", row.name


def test_what_shares_the_range_of_its_input_has_none(quantized):
    reading = readers(quantized)
    for row in quantized.rows:
        if row.op in SAME_RANGE:
            assert all(reader.op != "fake_quantize" for reader in reading[row.name]), row.name


def test_pixels_and_gates_have_fixed_ranges(quantized):
    limits = {row.name: row.attributes["limits"] for row in quantized.rows if row.op[:4] == "fake"}
    assert limits["image_range"] == (0.0, 255.0)
    for row in quantized.rows:
        if row.op == "activation" and row.attributes["function"] == "sigmoid":
            assert limits[f"{row.name}_range"] == (0.0, 255 / 256)
    assert limits["head_logits_range"] is None


def test_plan_stays_sorted_with_unique_names_and_tags(quantized):
    seen = set()
    for row in quantized.rows:
        assert all(ref.row in seen for ref in row.inputs), row.name
        assert row.name not in seen
        seen.add(row.name)
    assert all(ref.row in seen for ref in (*quantized.stages.values(), *quantized.outputs))
    assert len({row.tags for row in quantized.rows}) == len(quantized.rows)


def test_normalization_is_two_operators_with_a_range_between():
    rows = fake_quantize(plan(cifar(input={"shape": [32, 32, 3], "mean": 100, "std": 50})))
    names = [row.name for row in rows.rows[:6]]
    assert names[1:] == [
        *("image_range", "normalize_scale", "normalize_scale_range"),
        *("normalize", "normalize_range"),
    ]
    assert rows.row("normalize_scale").attributes["values"] == (0.02, 0.02, 0.02)
    assert rows.row("normalize").attributes["values"] == (-2.0, -2.0, -2.0)


def test_silu_is_a_gate_of_itself():
    rows = quantizable_rows(plan(cifar(activation="silu")))
    silu, sigmoid = rows.row("stem_activation"), rows.row("stem_activation_sigmoid")
    assert silu.op == "multiply"
    assert [ref.row for ref in silu.inputs] == ["stem_conv", sigmoid.name]


def test_factors_are_folded_after_norms():
    rows = fold_factors(fold_norms(plan(cifar(block={"connection": "scaled"}))))
    folded = rows.row("stage1_block1_conv2")
    assert folded.stands_for == (
        *("stage1_block1_conv2", "stage1_block1_norm2", "stage1_block1_merge_scale"),
    )
    assert not [row for row in rows.rows if row.op == "scale"]


def test_dense_highways_are_rounded_too():
    rows = fake_quantize(plan(highway_dense(depth=3, units=8)))
    assert sum(row.op == "quantized_dense" for row in rows.rows) == 6


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"activation": "gelu"}, "gelu (stem_activation)"),
        ({"activation": "elu"}, "elu (stem_activation)"),
        (
            {"input": {"shape": [32, 32, 3], "contrast": {"kind": "global"}, "mean": "image"}},
            "contrast (contrast), mean_image (mean_image)",
        ),
    ],
)
def test_layers_without_an_int8_operator_are_named(fields, found):
    with pytest.raises(UserError, match="cannot be trained for int8") as refused:
        fake_quantize(plan(cifar(**fields)))
    assert refused.value.found == found
