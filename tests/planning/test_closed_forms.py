"""The plan's counts equal what arithmetic says, for any size of net."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reszoo.errors import UserError
from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.spec import load
from tests.planning.specs import architecture, cifar, highway_dense

depths = st.integers(min_value=1, max_value=12)


@given(depths)
def test_cifar_resnet_counts_follow_the_closed_form(n: int) -> None:
    counted = cost(cifar(n))
    assert counted.parameters == 97_216 * n - 21_926
    assert counted.other_parameters == 448 * n + 32
    assert counted.depth == 6 * n + 2


@given(st.integers(min_value=2, max_value=60), st.integers(min_value=1, max_value=40))
def test_a_dense_highway_layer_costs_two_square_matrices(depth: int, units: int) -> None:
    first = 784 * units + units
    last = units * 10 + 10
    assert cost(highway_dense(depth, units)).parameters == (
        first + (depth - 1) * 2 * (units * units + units) + last
    )
    plain = cost(highway_dense(depth, units, "plain"))
    assert plain.parameters == first + (depth - 1) * (units * units + units) + last


@given(
    width=st.integers(min_value=1, max_value=8),
    kernel=st.sampled_from([1, 3, 5]),
    depth=st.integers(min_value=1, max_value=5),
)
def test_a_convolutional_highway_layer_costs_two_kernels_and_two_biases(
    width: int, kernel: int, depth: int
) -> None:
    spec = architecture(
        name="highway",
        input={"shape": [9, 9, 2]},
        norm="none",
        stem={"filters": width, "kernel": kernel},
        block={"transform": "conv", "connection": "highway", "kernel": kernel},
        stages=[{"depth": depth, "width": width}],
        classes=3,
    )
    layer = 2 * (kernel**2 * width**2 + width)
    stem = kernel**2 * 2 * width + width
    head = width * 3 + 3
    counted = cost(spec)
    assert counted.parameters == stem + depth * layer + head
    assert (
        counted.macs == 81 * (kernel**2 * 2 * width + depth * 2 * kernel**2 * width**2) + width * 3
    )


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    kernel=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 2, 7])),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_a_window_per_axis_costs_its_area_at_every_place(
    height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int]
) -> None:
    down, right = stride
    spec = architecture(
        name="axes",
        input={"shape": [height, width, 2]},
        padding="same",
        norm="none",
        stem={"kind": "none"},
        block={"transform": "conv", "connection": "plain", "kernel": kernel},
        stages=[{"depth": 1, "width": 5, "stride": stride}],
        classes=3,
    )
    is_signal = min(height, width) == 1 < max(height, width)
    if is_signal and kernel[0] != kernel[1] and kernel[0 if height == 1 else 1] > 1:
        with pytest.raises(UserError, match="across the signal"):
            plan(spec)
    elif down != right and (down > height or right > width):
        with pytest.raises(UserError, match="longer than a side"):
            plan(spec)
    elif max(height, width) >= max(stride):
        places = len(range(0, height, down)) * len(range(0, width, right))
        area = kernel[0] * kernel[1]
        counted = cost(spec)
        assert counted.parameters == area * 2 * 5 + 5 + 5 * 3 + 3
        assert counted.macs == places * area * 2 * 5 + 5 * 3


def test_the_signal_net_costs_what_its_layers_cost() -> None:
    parameters = macs = 0

    def conv(kernel: int, inputs: int, outputs: int, length: int) -> None:
        nonlocal parameters, macs
        parameters += kernel * inputs * outputs + 2 * outputs  # and a normalisation
        macs += kernel * inputs * outputs * length

    conv(9, 1, 16, 128)
    width = 16
    for length, wider in ((128, 16), (64, 32), (32, 48), (16, 64)):
        conv(5, width, wider, length)
        conv(5, wider, wider, length)
        if wider != width:
            conv(1, width, wider, length)  # the projection
        width = wider
    parameters += 64 * 3 + 3
    macs += 64 * 3
    counted = cost(load("resnet10_signal"))
    assert (counted.parameters, counted.macs) == (parameters, macs) == (71_699, 2_156_736)
    assert counted.other_parameters == 2 * (16 + 2 * 16 + 3 * (32 + 48 + 64))


@pytest.mark.parametrize(
    ("shortcut", "extra"),
    [
        ("zero_pad", 0),
        ("projection", 16 * 32 + 64 + 32 * 64 + 128),
        ("average_projection", 16 * 32 + 64 + 32 * 64 + 128),
        # option C: a projection in each of the nine blocks
        (
            "projection_all",
            3 * (16 * 16 + 32) + 16 * 32 + 2 * 32 * 32 + 192 + 32 * 64 + 2 * 64 * 64 + 384,
        ),
    ],
)
def test_shortcuts_cost_what_their_projections_cost(shortcut: str, extra: int) -> None:
    base = cost(cifar(3)).parameters
    assert cost(cifar(3, block={"shortcut": shortcut})).parameters == base + extra


@pytest.mark.parametrize(
    ("block", "extra"),
    [
        # squeeze-excite: widths 16, 32 squeeze to 8, width 64 too; both layers have biases
        ({"attention": {"kind": "se"}}, sum(2 * 8 * c + 8 + c for c in (16, 32, 64))),
        # ECA kernels (log2 C + 1) / 2, odd: 3, 3, 3
        ({"attention": {"kind": "eca"}}, 9),
        ({"connection": "scaled"}, 3),
        ({"connection": "scaled", "scale": {"granularity": "channel"}}, 16 + 32 + 64),
        ({"connection": "constant", "constants": {"carry": 0.5, "transform": 0.5}}, 0),
        ({"connection": "stochastic"}, 0),
        # gates: a 3x3 convolution beside each block, reading the block's input
        (
            {"connection": "highway"},
            sum(9 * i * o + o for i, o in ((16, 16), (16, 32), (32, 64))),
        ),
        (
            {"connection": "highway", "gate": {"coupled": False}},
            2 * sum(9 * i * o + o for i, o in ((16, 16), (16, 32), (32, 64))),
        ),
        (
            {"connection": "shortcut_gate", "gate": {"kernel": 1}},
            sum(i * o + o for i, o in ((16, 16), (16, 32), (32, 64))),
        ),
        (
            {"connection": "highway", "gate": {"granularity": "channel"}},
            sum(i * o + o for i, o in ((16, 16), (16, 32), (32, 64))),
        ),
    ],
)
def test_what_a_block_adds_is_what_its_equation_adds(block: dict, extra: int) -> None:
    assert cost(cifar(1, block=block)).parameters == cost(cifar(1)).parameters + extra


def test_preactivation_1001_layers_count_as_published() -> None:
    spec = architecture(
        name="resnet1001",
        input={"shape": [32, 32, 3]},
        stem={"filters": 16, "kernel": 3, "norm": "none", "activation": "none"},
        block={"transform": "bottleneck", "order": "full_pre", "stride_at": "first"},
        stages=[
            {"depth": 111, "width": 16},
            {"depth": 111, "width": 32, "stride": 2},
            {"depth": 111, "width": 64, "stride": 2},
        ],
        classes=10,
    )
    counted = cost(spec)
    assert (counted.parameters, counted.other_parameters) == (10_327_706, 149_216)
    assert counted.depth == 1001


def test_grouped_and_wide_bottlenecks_count_as_torchvision_does() -> None:
    def bottleneck(**block: int) -> int:
        return cost(
            architecture(
                name="net",
                input={"shape": [224, 224, 3]},
                stem={"filters": 64, "kernel": 7, "stride": 2, "pool": "max"},
                block={"transform": "bottleneck", **block},
                stages=[
                    {"depth": 3, "width": 64},
                    {"depth": 4, "width": 128, "stride": 2},
                    {"depth": 6, "width": 256, "stride": 2},
                    {"depth": 3, "width": 512, "stride": 2},
                ],
                classes=1000,
            )
        ).parameters

    assert bottleneck() == 25_557_032
    assert bottleneck(groups=32, base_width=4) == 25_028_904
    assert bottleneck(base_width=128) == 68_883_240


@pytest.mark.parametrize(
    ("width", "base_width", "groups", "inner"),
    [
        (64, 4, 32, 4 * 32),
        # timm: floor(planes * base_width / 64) * groups, so groups multiply after the rounding
        (24, 4, 32, 1 * 32),  # 24 * 4 / 64 = 1.5; rounded after the groups it would be 48
        (48, 26, 8, 19 * 8),  # 48 * 26 / 64 = 19.5; rounded after the groups it would be 156
        (40, 100, 1, 62),  # 40 * 100 / 64 = 62.5
    ],
)
def test_bottleneck_width_is_rounded_down_before_it_is_multiplied_by_the_groups(
    width: int, base_width: int, groups: int, inner: int
) -> None:
    spec = architecture(
        name="net",
        input={"shape": [8, 8, 3]},
        stem={"filters": 16},
        block={"transform": "bottleneck", "base_width": base_width, "groups": groups},
        stages=[{"depth": 1, "width": width}],
        classes=2,
    )
    convs = [plan(spec).row(f"stage1_block1_conv{number}") for number in (1, 2, 3)]
    assert [conv.attributes["filters"] for conv in convs] == [inner, inner, 4 * width]
    kernels = [16 * inner, 9 * inner * inner // groups, inner * 4 * width]
    assert [conv.parameters for conv in convs] == kernels


def test_int8_weights_take_one_byte_and_biases_four() -> None:
    # stem 3x3x1x2 + bias, head 2x3 + bias; the normalisation folds into the stem's bias
    spec = architecture(
        name="tiny",
        input={"shape": [4, 4, 1]},
        stem={"filters": 2, "kernel": 3},
        block={"transform": "conv", "connection": "plain"},
        stages=[{"depth": 1, "width": 2}],
        classes=3,
    )
    counted = cost(spec)
    assert counted.weight_bytes_int8 == (18 + 36 + 6) + 4 * (2 + 2 + 3)
    assert counted.weight_bytes_fp32 == 4 * (18 + 36 + 6 + 7)


def test_group_normalisation_stays_a_factor_and_a_bias_per_channel() -> None:
    spec = architecture(
        name="tiny",
        input={"shape": [4, 4, 1]},
        norm={"kind": "group", "groups": 2},
        stem={"filters": 2, "kernel": 3},
        block={"transform": "conv", "connection": "plain"},
        stages=[{"depth": 1, "width": 2}],
        classes=3,
    )
    counted = cost(spec)
    assert counted.parameters == (18 + 4) + (36 + 4) + (6 + 3)
    assert (counted.other_parameters, counted.depth) == (0, 3)
    # Unlike a batch normalisation, it cannot fold into the convolution before it.
    assert counted.weight_bytes_int8 == (18 + 36 + 6) + 2 * (2 + 4 * 2) + 4 * 3


def test_groups_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(UserError, match="48 channels cannot be normalised in 32 groups") as caught:
        plan(
            architecture(
                name="tiny",
                input={"shape": [4, 4, 1]},
                norm={"kind": "group"},
                stem={"filters": 48},
                stages=[{"depth": 1, "width": 48}],
                classes=3,
            )
        )
    assert caught.value.hint == "write `norm: {kind: group, groups: 8}`"


def test_peak_activation_counts_the_maps_that_live_together() -> None:
    # in a residual block the shortcut, the first map and the second live at once: three of 4x4x2
    spec = architecture(
        name="tiny",
        input={"shape": [4, 4, 1]},
        stem={"filters": 2, "kernel": 3},
        stages=[{"depth": 1, "width": 2}],
        classes=3,
    )
    assert cost(spec).peak_activation_bytes_int8 == 3 * 4 * 4 * 2


def test_a_thousand_highway_layers_plan_without_recursion() -> None:
    rows = plan(highway_dense(1000, 8)).rows
    assert sum(row.tags.role == "transform_gate" and row.op == "dense" for row in rows) == 999
