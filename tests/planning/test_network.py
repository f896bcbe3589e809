"""A spec becomes the rows the papers describe, and what cannot be a network is refused."""

from __future__ import annotations

import pytest

import reszoo
from reszoo.errors import UserError
from reszoo.planning.network import guideline_bias, plan
from reszoo.spec import load, registry
from tests.planning.specs import architecture, cifar, highway_dense

FLAT = {"transform": "dense", "shortcut": "zero_pad"}


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


def signal(**fields):
    """A small net on a row of 21 pixels."""
    return architecture(
        name="signal",
        input=fields.pop("input", {"shape": [1, 21, 1]}),
        stem={"filters": 4, "kernel": [1, 3], **fields.pop("stem", {})},
        block={"kernel": [1, 5], **fields.pop("block", {})},
        stages=[{"depth": 1, "width": 4}, {"depth": 1, "width": 8, "stride": [1, 2]}],
        classes=2,
        **fields,
    )


def test_padding_goes_by_axis_and_a_signal_is_padded_along_its_length_alone() -> None:
    rows = {row.name: row for row in plan(signal()).rows}
    assert rows["stem_conv"].attributes["padding"] == "same"
    assert not [row for row in rows.values() if row.op == "pad"]
    assert rows["stage2_block1_merge_add"].shape == (1, 11, 8)
    even = {row.name: row for row in plan(signal(input={"shape": [1, 20, 1]})).rows}
    assert even["stage2_block1_conv1_pad"].attributes["amounts"] == ((0, 0), (2, 2))
    assert even["stage2_block1_conv1"].attributes["stride"] == (1, 2)
    assert even["stage2_block1_shortcut_conv"].attributes["stride"] == (1, 2)
    # A single number is for both axes, and pads the height of 1, too.
    square = plan(signal(block={"kernel": 3}, input={"shape": [1, 20, 1]})).row(
        "stage2_block1_conv1_pad"
    )
    assert square.attributes["amounts"] == ((1, 1), (1, 1))


def test_gates_follow_the_kernel_and_the_stride_of_their_block() -> None:
    rows = plan(signal(block={"connection": "highway"}))
    gate = rows.row("stage2_block1_transform_gate_conv")
    assert (gate.attributes["kernel"], gate.attributes["stride"]) == ((1, 5), (1, 2))
    narrow = plan(signal(block={"connection": "highway", "gate": {"kernel": 1}}))
    assert narrow.row("stage2_block1_transform_gate_conv").attributes["kernel"] == 1


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ({"block": {"kernel": [5, 1]}}, "a 5x1 window runs across the signal", "write [1, 5]"),
        ({"stem": {"kernel": [3, 9]}}, "a 3x9 window runs across the signal", "write [1, 9]"),
        (
            {"stem": {"stride": [2, 1]}},
            "a stride of 2x1 is longer than a side of a 1x21 map",
            "[height, width]",
        ),
        (
            {"stem": {"stride": [1, 30]}},
            "a stride of 1x30 is longer than a side of a 1x21 map",
            "lower the stride",
        ),
        (
            {"stem": {"kernel": [1, 31]}, "padding": "valid"},
            "a 1x31 window with stride 1 leaves no pixels of a 1x21 map",
            "use a larger input",
        ),
        (
            {"stem": {"pool": {"kind": "blur", "size": [1, 3], "stride": 1}}},
            "a blur mirrors the map",
            "larger input",
        ),
        ({"block": {"shortcut": "identity"}}, "an identity shortcut cannot change", "option A"),
    ],
)
def test_sizes_that_do_not_fit_their_axis_are_refused(fields, message, hint) -> None:
    with pytest.raises(UserError, match=message) as caught:
        plan(signal(**fields))
    assert hint in str(caught.value.hint)


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
    probabilities = [1 - row.attributes["rate"] for row in rows if row.tags.part == "survival"]
    assert len(probabilities) == 54
    assert probabilities[0] == pytest.approx(1 - 0.5 / 54)
    assert probabilities[-1] == pytest.approx(0.5)
    # the expected number of active blocks of Huang 2016
    assert sum(probabilities) == pytest.approx(40.25)


def test_first_preactivation_is_shared_with_the_shortcut() -> None:
    spec = cifar(
        2, block={"order": "full_pre"}, stem={"filters": 16, "norm": "none", "activation": "none"}
    )
    adds = {row.name: row for row in plan(spec).rows if row.op == "add"}
    assert adds["stage1_block1_merge_add"].inputs[0].row == "stage1_block1_preactivation_activation"
    assert adds["stage1_block2_merge_add"].inputs[0].row == "stage1_block1_merge_add"


def survivals(**block) -> list[float]:
    rows = plan(cifar(2, block=block)).rows
    return [1 - row.attributes["rate"] for row in rows if row.tags.part == "survival"]


def test_with_timm_the_first_block_always_survives() -> None:
    # torch.linspace(0, 0.1, 6) is what timm drops in the six blocks
    found = survivals(survival_probability=0.9, survival_decay="linear_from_one")
    assert found == pytest.approx([0.98, 0.96, 0.94, 0.92, 0.9])
    block = {"survival_probability": 0.9, "survival_decay": "linear_from_one"}
    one = architecture(
        name="one",
        input={"shape": [8, 8, 1]},
        stages=[{"depth": 1, "width": 64}],
        block=block,
        classes=2,
    )
    assert not [row for row in plan(one).rows if row.tags.part == "survival"]


def test_a_given_survival_probability_is_kept_even_where_it_is_1() -> None:
    assert survivals(connection="stochastic", survival_probability=1.0) == []
    assert survivals(connection="stochastic")[-1] == 0.5
    assert survivals(connection="residual") == []
    assert survivals(connection="highway", survival_probability=0.25)[-1] == 0.25


@pytest.mark.parametrize("order", ["full_pre", "relu_only_pre"])
@pytest.mark.parametrize("width", [16, 24])
def test_first_preactivation_is_shared_whatever_the_shortcut_does(order: str, width: int) -> None:
    spec = architecture(
        name="net",
        input={"shape": [8, 8, 3]},
        stem={"filters": 16, "norm": "none", "activation": "none"},
        block={"order": order, "shortcut": "zero_pad"},
        stages=[{"depth": 1, "width": width}],
        classes=3,
    )
    rows = {row.name: row for row in plan(spec).rows}
    source = rows["stage1_block1_merge_add"].inputs[0].row
    if width == 24:
        source = rows[source].inputs[0].row
    assert source == "stage1_block1_preactivation_activation"


@pytest.mark.parametrize(("side", "amounts"), [(8, ((1, 1), (1, 1))), (9, ((1, 1), (1, 1)))])
def test_a_zero_padded_pool_holds_zeros_even_where_same_pads_alike(side: int, amounts) -> None:
    def border(**pool) -> list:
        stem = {"filters": 4, "norm": "none", "activation": "none"}
        stem["pool"] = {"kind": "max", **pool}
        rows = plan(cifar(1, input={"shape": [side, side, 3]}, stem={**stem})).rows
        return [row.attributes for row in rows if row.name == "stem_pool_pad"]

    assert border(zero_padded=True) == [{"amounts": amounts, "value": 0.0}]
    assert border() == ([{"amounts": ((0, 1), (0, 1)), "value": 0.0}] if side == 8 else [])
    same = border(zero_padded=True, padding="same")
    assert same == [{"amounts": ((0, 1), (0, 1)) if side == 8 else amounts, "value": 0.0}]


def test_only_a_block_that_ends_with_its_relu_promises_a_pool_no_negative_values() -> None:
    def is_promised(transform: str, **block) -> bool:
        stages = [{"depth": 1, "width": 16, "after": {"pool": {"kind": "max", "size": 3}}}]
        block = {"transform": transform, "connection": "scaled", **block}
        spec = architecture(
            name="net",
            input={"shape": [8, 8, 3]},
            stem={"filters": 16},
            block=block,
            stages=stages,
            classes=3,
        )
        # Only without the promise, windows that see a border of zeros are cropped.
        return not any(row.op == "crop" for row in plan(spec).rows)

    assert is_promised("basic")
    assert not is_promised("conv")
    assert is_promised("conv", order="post")
    assert not is_promised("conv", order="post", activation="tanh")


@pytest.mark.parametrize(
    ("block", "gammas"),
    [
        ({}, [1.0, 0.0]),
        ({"order": "relu_only_pre"}, [1.0, 0.0]),
        ({"transform": "bottleneck"}, [1.0, 1.0, 0.0]),
        ({"connection": "plain"}, [1.0, 1.0]),
        ({"order": "relu_before_add"}, [1.0, 1.0]),
        ({"transform": "conv", "connection": "highway"}, [1.0]),
    ],
)
def test_gamma_starts_at_0_where_the_block_becomes_the_identity(block, gammas) -> None:
    rows = plan(cifar(2, block={"zero_gamma": True, **block})).rows
    found = [
        row.attributes["gamma_initial"]
        for row in rows
        if row.op == "norm" and row.tags[0] == "transform" and row.tags[2:] == (1, 2)
    ]
    assert found == gammas


@pytest.mark.parametrize("shortcut", ["zero_pad", "projection", "average_projection"])
def test_a_map_of_one_row_is_subsampled_along_its_columns(shortcut: str) -> None:
    overrides = ["input.shape=[1,64,3]", f"block.shortcut={shortcut}"]
    rows = plan(load("resnet20", overrides), head=False)
    assert rows.row(rows.outputs[0].row).shape == (1, 16, 64)


def test_without_a_head_the_last_feature_map_comes_out() -> None:
    backbone = plan(cifar(1), head=False)
    assert backbone.outputs == (backbone.stages["stage3"],)
    assert backbone.row(backbone.outputs[0].row).shape == (8, 8, 64)
    assert set(backbone.stages) == {"stem", "stage1", "stage2", "stage3"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block": {"shortcut": "identity"}}, "identity shortcut cannot change the shape"),
        ({"input": {"shape": [1, 1, 3]}}, "stride of 2 is longer than both sides of a 1x1 map"),
        ({"padding": "valid", "input": {"shape": [2, 64, 3]}}, "leaves no pixels of a 2x64 map"),
        ({"stem": {"filters": 16, "kernel": 40, "padding": "valid"}}, "leaves no pixels"),
        ({"block": {"groups": 3}}, "groups do not divide"),
        ({"block": {"transform": "dense"}}, "dense transform needs features"),
        (
            {"input": {"shape": [32, 32, 3], "mean": [1.0, 2.0]}},
            "does not fit the input's channels",
        ),
        ({"stem": {"filters": 64}}, "cannot narrow"),
        ({"stem": {"kind": "dense", "filters": 9}}, "cannot follow a dense layer"),
        ({"block": {"kernel": 2, "shortcut": "zero_pad"}}, "end in different shapes"),
        ({"padding": "valid"}, "end in different shapes"),
        (
            {"stem": {"kind": "dense", "filters": 16}, "block": FLAT},
            "zero-padded shortcut needs a feature map",
        ),
        (
            {"stem": {"kind": "dense", "filters": 16}, "block": {**FLAT, "attention": "se"}},
            "channel attention needs a feature map",
        ),
        (
            {"input": {"shape": [2, 2, 3]}, "stem": {"filters": 16, "stride": 2, "pool": "blur"}},
            "needs two pixels",
        ),
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
    for connection in registry.CONNECTIONS:
        rows = plan(cifar(2, block={"connection": connection, "attention": "se"})).rows
        assert len({row.name for row in rows}) == len(rows)
        assert all(
            row.tags.stage and row.tags.block for row in rows if row.name.startswith("stage")
        )


def test_a_registered_transform_is_planned_and_costed() -> None:
    @reszoo.register_transform("depthwise", layers=2)
    def depthwise(block, x):
        """A depthwise and a pointwise convolution."""
        width = block.scope.channels(x)
        x = block.scope.conv(
            x, width, 3, role="transform", part="conv1", groups=width, stride=block.stride
        )
        return block.scope.conv(x, block.width, 1, role="transform", part="conv2")

    try:
        spec = cifar(1, block={"transform": "depthwise"})
        counted = reszoo.cost(spec)
        pairs = ((16, 16), (16, 32), (32, 64))
        blocks = sum(9 * i + i * o for i, o in pairs)
        assert counted.parameters == 27 * 16 + 32 + blocks + 64 * 10 + 10
    finally:
        registry.registered_transforms.pop("depthwise")


def test_a_registered_connection_is_planned() -> None:
    @reszoo.register_connection("mean")
    def mean(block, shortcut, h, x):
        """The mean of both paths."""
        total = block.scope.add("add", shortcut, h, role="merge", part="add")
        return block.scope.add("rescale", total, role="merge", part="half", scale=0.5, offset=0.0)

    try:
        assert ops(cifar(2, block={"connection": "mean"}), 1, 2)[-3:] == ["add", "rescale", "relu"]
    finally:
        registry.registered_connections.pop("mean")


def test_built_in_names_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="built-in"):
        reszoo.register_transform("basic", lambda block, x: x)
    with pytest.raises(ValueError, match="built-in"):
        reszoo.register_connection("highway", lambda block, shortcut, h, x: h)


def test_an_error_points_at_the_line_that_says_it(tmp_path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("name: net\nextends: resnet20\nblock: {groups: 3}\n")
    with pytest.raises(UserError) as error:
        plan(load(path))
    assert str(error.value.where).endswith("net.yaml:3:17")
