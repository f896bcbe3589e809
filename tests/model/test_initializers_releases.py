"""Networks start from the weights of the releases that their specs name."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from reszoo.model.build import build
from reszoo.model.initializers import VARIANCE_SCALING
from reszoo.planning.network import plan
from reszoo.planning.rows import Row
from reszoo.spec import load, names_of

Rule = Callable[[int, int], float]
"""From fan in and fan out to a standard deviation."""


def caffe_msra(fan_in: int, fan_out: int) -> float:  # filler.hpp: msra, FAN_IN; nninit.kaiming
    return math.sqrt(2 / fan_in)


def torch7_convolution(fan_in: int, fan_out: int) -> float:  # normal(0, sqrt(2 / (kW kH outputs)))
    return math.sqrt(2 / fan_out)


def torch7_linear(fan_in: int, fan_out: int) -> float:  # nn.Linear:reset, uniform(-a, a)
    return 1 / math.sqrt(fan_in) / math.sqrt(3)


def caffe_xavier(fan_in: int, fan_out: int) -> float:  # filler.hpp: uniform(-a, a), FAN_IN
    return math.sqrt(3 / fan_in) / math.sqrt(3)


def gaussian(std: float) -> Rule:
    return lambda fan_in, fan_out: std


# Of convolutions, and of the stem and the head where they differ.
# szagoruyko/wide-residual-networks, facebookresearch/ResNeXt and KaimingHe/resnet-1k-layers share
# fb.resnet.torch's rule; yueatsprograms/Stochastic_Depth has nninit's.
TORCH7 = (torch7_convolution, torch7_convolution, torch7_linear)
FAMILIES: dict[str, tuple[tuple[str, ...], tuple[Rule, Rule, Rule]]] = {
    "wide": (("wrn",), TORCH7),
    "ResNeXt-29": (("resnext29",), TORCH7),
    "He 2016, 9n + 2": (("resnet164", "resnet1001"), TORCH7),
    "stochastic depth": (
        ("resnet110_stochastic", "resnet1202_stochastic"),
        (caffe_msra, caffe_msra, torch7_linear),
    ),
    "He 2015": (
        (
            *("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"),
            *("plain20", "plain32", "plain44", "plain56", "plain110"),
        ),
        (caffe_msra, caffe_msra, caffe_msra),
    ),
    "highway, MNIST": (("highway10_",), (caffe_xavier, caffe_xavier, gaussian(0.1))),
    "highway, CIFAR-10": (("highway19_cifar10",), (caffe_xavier, gaussian(1.0), gaussian(0.05))),
    "highway, CIFAR-100": (("highway19_cifar100",), (caffe_xavier, gaussian(1.0), caffe_xavier)),
    "fb.resnet.torch": (
        (
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "resnet152",
            "resnet200",
            "resnext50",
            "resnext101",
        ),
        (torch7_convolution, torch7_convolution, gaussian(0.01)),
    ),
}
BUILT = (
    *("wrn16_2", "resnext29_1x64d", "resnet20", "highway10_w16_mnist"),
    *("highway19_cifar10", "highway19_cifar100", "resnet18"),
)


def members(family: str) -> list[str]:
    """Networks of the zoo by the longest prefix that their name has."""
    prefixes = {prefix: other for other, (names, _) in FAMILIES.items() for prefix in names}
    own_folder = ("_cifar", "_digits", "_mnist")  # nets of the same depth for other images
    return [
        name
        for name in names_of("architecture")
        if (found := [prefix for prefix in prefixes if name.startswith(prefix)])
        and prefixes[max(found, key=len)] == family
        and not (name.endswith(own_folder) and not name.startswith(("highway", "wrn")))
    ]


def expected_std(family: str, row: Row, shape: tuple[int, ...]) -> float:
    others, stem, head = FAMILIES[family][1]
    last = row.tags.part == "logits"
    rule = head if last else stem if row.tags.role == "stem" else others
    window = math.prod(shape[:-2])
    return rule(window * shape[-2], window * shape[-1])


def kernel_shape(row: Row, channels: int) -> tuple[int, ...]:
    if row.op == "dense":
        return channels, row.attributes["units"]
    kernel, groups = row.attributes["kernel"], row.attributes["groups"]
    return kernel, kernel, channels // groups, row.attributes["filters"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kernel_of_a_family_is_drawn_by_its_rule(family: str) -> None:
    names = members(family)
    assert names
    for name in names:
        rows = plan(load(name)).rows
        outputs = {row.name: row.shape[-1] for row in rows}
        for row in rows:
            spec = row.attributes.get("kernel_initializer")
            if spec is None or row.op == "conv1d":
                continue
            shape = kernel_shape(row, outputs[row.inputs[0].row])
            scaling = VARIANCE_SCALING.get(spec.kind)
            drawn = scaling.stddev(shape) if scaling else spec.std
            message = f"{name}: {row.name}"
            assert drawn == pytest.approx(expected_std(family, row, shape)), message


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("name", BUILT)
def test_built_kernels_have_the_spread_of_their_rule(name: str) -> None:
    [family] = [family for family in FAMILIES if name in members(family)]
    model = build(load(name), seed=5)
    drawn = [row for row in model.reszoo_plan.rows if "kernel_initializer" in row.attributes]
    assert len(drawn) > 8
    for row in drawn:
        kernel = model.get_layer(row.name).kernel.numpy()
        expected = expected_std(family, row, kernel.shape)
        # six standard errors of a normal sample's deviation; a uniform one's is smaller
        assert kernel.std() == pytest.approx(expected, rel=6 / math.sqrt(2 * kernel.size)), row.name


def test_figures_that_were_read_in_the_releases() -> None:
    def std(name: str, row_name: str) -> float:
        rows = {row.name: row for row in plan(load(name)).rows}
        row = rows[row_name]
        shape = kernel_shape(row, rows[row.inputs[0].row].shape[-1])
        return VARIANCE_SCALING[row.attributes["kernel_initializer"].kind].stddev(shape)

    assert std("wrn28_10", "stage1_block1_conv1") == pytest.approx(0.0373, abs=5e-5)
    assert std("wrn28_10", "stage1_block1_shortcut_conv") == pytest.approx(0.112, abs=5e-4)
    assert std("highway10_w16_mnist", "stem_conv") == pytest.approx(0.2)
