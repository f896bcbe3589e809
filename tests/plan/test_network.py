"""A spec becomes the rows the papers describe, and what cannot be a network is refused."""

from __future__ import annotations

import pytest

import reszoo.plan as planning
from reszoo.errors import UserError
from reszoo.plan import plan
from reszoo.plan.network import guideline_bias
from reszoo.spec import names
from tests.plan.specs import architecture, cifar, highway_dense


def ops(spec, stage: int, block: int) -> list[str]:
    rows = [row for row in plan(spec).rows if (row.tags.stage, row.tags.block) == (stage, block)]
    return [row.op if row.op != "activation" else row.attributes["function"] for row in rows]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("post", "conv norm relu conv norm add relu"),
        ("bn_after_add", "conv norm relu conv add norm relu"),
        ("relu_before_add", "conv norm relu conv norm relu add"),
        ("relu_only_pre", "relu conv norm relu conv norm add"),
        ("full_pre", "norm relu conv norm relu conv add"),
    ],
)
def test_orders_are_those_of_he_2016_figure_4(order: str, expected: str) -> None:
    assert " ".join(ops(cifar(2, block={"order": order}), 1, 2)) == expected


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ("plain", "conv relu"),
        ("residual", "conv relu add"),
        ("highway", "conv relu conv sigmoid subtract multiply add"),
        ("shortcut_gate", "conv relu conv sigmoid rescale multiply add"),
        ("constant", "conv relu rescale rescale add"),
        ("stochastic", "conv relu dropout rescale add"),
        ("scaled", "conv relu scale add"),
    ],
)
def test_connections_are_one_equation(connection: str, expected: str) -> None:
    block = {
        "transform": "conv",
        "norm": "none",
        "connection": connection,
        "constants": {"carry": 0.5, "transform": 0.5},
    }
    assert " ".join(ops(cifar(2, block=block), 1, 2)) == expected


def test_shortcut_stands_first_in_every_addition() -> None:
    for connection in ("residual", "highway", "scaled", "stochastic"):
        rows = {row.name: row for row in plan(cifar(2, block={"connection": connection})).rows}
        for row in rows.values():
            if row.op == "add":
                shortcut, change = (rows[ref.row].tags for ref in row.inputs)
                assert shortcut.role != "transform"
                assert (change.stage, change.block) == (row.tags.stage, row.tags.block)


def test_torch_padding_is_symmetric_and_same_is_tensorflows() -> None:
    rows = {row.name: row for row in plan(cifar(1)).rows}
    assert rows["stage2_block1_conv1_pad"].attributes["amounts"] == ((1, 1), (1, 1))
    assert rows["stage2_block1_conv1"].attributes["padding"] == "valid"
    assert rows["stage1_block1_conv1"].attributes["padding"] == "same"
    assert not [row for row in plan(cifar(1, padding="same")).rows if row.op == "pad"]


def test_guideline_bias_falls_with_depth() -> None:
    assert [guideline_bias(layers) for layers in (3, 10, 19, 32, 100)] == [-1, -1, -2, -3, -4]


def test_gates_start_closed_by_the_guideline_or_as_given() -> None:
    def bias(spec) -> float:
        gates = [row for row in plan(spec).rows if row.tags.role == "transform_gate"]
        return gates[0].attributes["bias_initial"]

    assert bias(highway_dense(10, 4)) == -1.0
    assert bias(highway_dense(50, 4)) == -4.0
    assert bias(cifar(1, block={"connection": "highway", "gate": {"bias": -6.0}})) == -6.0


def test_survival_falls_linearly_to_the_last_block() -> None:
    rows = plan(cifar(18, block={"connection": "stochastic"})).rows
    kept = [1 - row.attributes["rate"] for row in rows if row.tags.part == "survival"]
    assert len(kept) == 54
    assert kept[0] == pytest.approx(1 - 0.5 / 54)
    assert kept[-1] == pytest.approx(0.5)
    # the expected number of active blocks of Huang 2016
    assert sum(kept) == pytest.approx(40.25)


def test_first_preactivation_is_shared_with_the_shortcut() -> None:
    spec = cifar(
        2, block={"order": "full_pre"}, stem={"filters": 16, "norm": "none", "activation": "none"}
    )
    adds = {row.name: row for row in plan(spec).rows if row.op == "add"}
    assert adds["stage1_block1_merge_add"].inputs[0].row == "stage1_block1_preactivation_activation"
    assert adds["stage1_block2_merge_add"].inputs[0].row == "stage1_block1_merge_add"


def test_without_a_head_the_last_feature_map_comes_out() -> None:
    backbone = plan(cifar(1), head=False)
    assert backbone.outputs == (backbone.stages["stage3"],)
    assert backbone.row(backbone.outputs[0].row).shape == (8, 8, 64)
    assert set(backbone.stages) == {"stem", "stage1", "stage2", "stage3"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block": {"shortcut": "identity"}}, "identity shortcut cannot change the shape"),
        ({"input": {"shape": [1, 1, 3]}}, "leaves no pixels"),
        ({"stem": {"filters": 16, "kernel": 40, "padding": "valid"}}, "leaves no pixels"),
        ({"block": {"groups": 3}}, "groups do not divide"),
        ({"block": {"transform": "dense"}}, "dense transform needs features"),
        (
            {"input": {"shape": [32, 32, 3], "mean": [1.0, 2.0]}},
            "does not fit the input's channels",
        ),
        ({"stem": {"filters": 64}}, "cannot narrow"),
        ({"stem": {"kind": "dense", "filters": 9}}, "cannot follow a dense layer"),
    ],
)
def test_what_cannot_be_a_network_is_refused(fields: dict, message: str) -> None:
    base = {
        "name": "net",
        "input": {"shape": [32, 32, 3]},
        "stem": {"filters": 16},
        "stages": [{"depth": 1, "width": 16}, {"depth": 1, "width": 32, "stride": 2}],
        "block": {"shortcut": "zero_pad"},
        "classes": 10,
    }
    with pytest.raises(UserError) as error:
        plan(architecture(**{**base, **fields}))
    assert message in str(error.value)
    assert error.value.expected and error.value.found and error.value.hint


def test_names_are_unique_and_tags_complete() -> None:
    for connection in names.CONNECTIONS:
        rows = plan(cifar(2, block={"connection": connection, "attention": "se"})).rows
        assert len({row.name for row in rows}) == len(rows)
        assert all(
            row.tags.stage and row.tags.block for row in rows if row.name.startswith("stage")
        )


def test_a_registered_transform_is_planned_and_costed() -> None:
    @planning.register_transform("depthwise", layers=2)
    def depthwise(block, x):
        """A depthwise and a pointwise convolution."""
        width = block.scope.channels(x)
        x = block.scope.conv(
            x, width, 3, role="transform", part="conv1", groups=width, stride=block.stride
        )
        return block.scope.conv(x, block.width, 1, role="transform", part="conv2")

    try:
        spec = cifar(1, block={"transform": "depthwise"})
        counted = planning.cost(spec)
        pairs = ((16, 16), (16, 32), (32, 64))
        blocks = sum(9 * i + i * o for i, o in pairs)
        assert counted.parameters == 27 * 16 + 32 + blocks + 64 * 10 + 10
    finally:
        names.registered_transforms.pop("depthwise")


def test_a_registered_connection_is_planned() -> None:
    @planning.register_connection("mean")
    def mean(block, shortcut, h, x):
        """The mean of both paths."""
        total = block.scope.add("add", shortcut, h, role="merge", part="add")
        return block.scope.add("rescale", total, role="merge", part="half", scale=0.5, offset=0.0)

    try:
        assert ops(cifar(2, block={"connection": "mean"}), 1, 2)[-3:] == ["add", "rescale", "relu"]
    finally:
        names.registered_connections.pop("mean")


def test_built_in_names_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="built-in"):
        planning.register_transform("basic", lambda block, x: x)
    with pytest.raises(ValueError, match="built-in"):
        planning.register_connection("highway", lambda block, shortcut, h, x: h)
