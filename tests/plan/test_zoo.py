"""Every spec of the zoo costs what was published and what the golden file says."""

from __future__ import annotations

import json

import pytest

from reszoo.plan import cost
from reszoo.plan.golden import count_zoo, golden_file, known_cost
from reszoo.spec import architecture_names, load

# trainable weights, moving statistics, multiply-adds in millions; each from counting the reference
# implementation: torchvision and timm for ImageNet, the papers' layer tables for the others
PUBLISHED = {
    "resnet18": (11_689_512, 9_600, 1_814),
    "resnet34": (21_797_672, 17_024, 3_664),
    "resnet50": (25_557_032, 53_120, 4_089),
    "resnet101": (44_549_160, 105_344, 7_801),
    "resnet152": (60_192_808, 151_424, 11_514),
    "plain18": (11_515_688, None, None),
    "plain34": (21_623_848, None, None),
    "resnet8": (75_290, 480, 12.24),
    "resnet20": (269_722, 1_376, 40.55),
    "resnet32": (464_154, 2_272, 68.86),
    "resnet44": (658_586, 3_168, 97.17),
    "resnet56": (853_018, 4_064, 125.49),
    "resnet110": (1_727_962, 8_096, 252.89),
    "resnet1202": (19_421_274, 89_632, 2_829.2),
    "plain20": (269_722, 1_376, 40.55),
    "plain32": (464_154, 2_272, 68.86),
    "plain44": (658_586, 3_168, 97.17),
    "plain56": (853_018, 4_064, 125.49),
    "highway19_cifar10": (2_256_838, 0, 330.8),
    "highway19_cifar100": (2_265_928, 0, None),
    "highway10_w16_mnist": (38_986, 0, 8.03),
    "highway10_w32_mnist": (151_690, 0, 31.65),
    "highway_dense10_mnist": (85_660, 0, None),
    "highway_dense20_mnist": (136_660, 0, None),
    "highway_dense50_mnist": (289_660, 0, None),
    "highway_dense100_mnist": (544_660, 0, None),
    "plain_dense10_mnist": (102_463, 0, None),
    "plain_dense20_mnist": (153_583, 0, None),
    "plain_dense50_mnist": (306_943, 0, None),
    "plain_dense100_mnist": (562_543, 0, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts_are_met_exactly(name: str) -> None:
    parameters, statistics, millions = PUBLISHED[name]
    counted = cost(load(name))
    assert counted.parameters == parameters
    if statistics is not None:
        assert counted.other_parameters == statistics
    if millions is not None:
        digits = len(str(millions).partition(".")[2])
        assert round(counted.macs / 1e6, digits) == millions


@pytest.mark.parametrize("name", architecture_names())
def test_a_spec_never_contradicts_the_numbers_it_publishes(name: str) -> None:
    spec = load(name)
    counted = cost(spec)
    if spec.published and spec.published.parameters:
        assert counted.parameters == spec.published.parameters
    if spec.published and spec.published.macs:
        assert counted.macs == pytest.approx(spec.published.macs, rel=1e-3)


def test_the_golden_file_is_what_the_zoo_costs_now() -> None:
    """After a wanted change, run `python -m reszoo.plan.golden` and read the difference."""
    assert json.loads(golden_file().read_text(encoding="utf-8")) == count_zoo()


def test_a_changed_spec_never_shows_an_old_number() -> None:
    spec = load("resnet20", ["stages[0].depth=5"])
    assert known_cost(spec) == cost(spec) != known_cost(load("resnet20"))


@pytest.mark.parametrize("name", ["resnet50", "resnet20", "highway10_w16_mnist", "plain34"])
def test_depth_is_what_the_name_says(name: str) -> None:
    digits = "".join(letter for letter in name.split("_")[0] if letter.isdigit())
    assert cost(load(name)).depth == int(digits)
