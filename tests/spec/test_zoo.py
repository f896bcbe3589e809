"""The zoo says what the papers say: every name once, short files, the published numbers."""

from __future__ import annotations

from collections import Counter

import pytest

from reszoo.errors import UserError
from reszoo.plan import cost
from reszoo.resources import zoo_folder
from reszoo.spec import architecture_names, families, family_of, load
from reszoo.spec.find import find

NAMES = architecture_names()

# Trainable weights, moving statistics and multiply-adds (0 where nobody counted them).
COUNTS = {
    "resnet18": (11_689_512, 9_600, 1.814e9),
    "resnet34": (21_797_672, 17_024, 3.664e9),
    "resnet50": (25_557_032, 53_120, 4.089e9),
    "resnet101": (44_549_160, 105_344, 7.801e9),
    "resnet152": (60_192_808, 151_424, 11.514e9),
    # Without the projections of option B: 173,824 weights, gamma and beta among them.
    "plain18": (11_689_512 - 173_824, 9_600 - 2 * (128 + 256 + 512), 0),
    "plain34": (21_797_672 - 173_824, 17_024 - 2 * (128 + 256 + 512), 0),
    # Depth 6n + 2, option A: 97,216 n - 21,926 weights and 448 n + 32 moving statistics.
    "resnet8": (75_290, 480, 12.24e6),
    "resnet20": (269_722, 1_376, 40.55e6),
    "resnet32": (464_154, 2_272, 68.86e6),
    "resnet44": (658_586, 3_168, 97.17e6),
    "resnet56": (853_018, 4_064, 125.49e6),
    "resnet110": (1_727_962, 8_096, 252.89e6),
    "resnet1202": (19_421_274, 89_632, 2829.2e6),
    "plain20": (269_722, 1_376, 40.55e6),
    "plain32": (464_154, 2_272, 68.86e6),
    "plain44": (658_586, 3_168, 97.17e6),
    "plain56": (853_018, 4_064, 125.49e6),
    "highway19_cifar10": (2_256_838, 0, 330.8e6),
    "highway19_cifar100": (2_265_928, 0, 330.8e6),
    "highway10_w16_mnist": (38_986, 0, 8.03e6),
    "highway10_w32_mnist": (151_690, 0, 31.65e6),
    # 784 inputs, then (depth - 1) layers of 2 (50^2 + 50) or 71^2 + 71, then 10 classes.
    "highway_dense10_mnist": (85_660, 0, 0),
    "highway_dense20_mnist": (136_660, 0, 0),
    "highway_dense50_mnist": (289_660, 0, 0),
    "highway_dense100_mnist": (544_660, 0, 0),
    "plain_dense10_mnist": (102_463, 0, 0),
    "plain_dense20_mnist": (153_583, 0, 0),
    "plain_dense50_mnist": (306_943, 0, 0),
    "plain_dense100_mnist": (562_543, 0, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_spec_costs_what_is_known_of_it(name: str) -> None:
    parameters, statistics, macs = COUNTS[name]
    counted = cost(load(name))
    assert (counted.parameters, counted.other_parameters) == (parameters, statistics)
    if macs:
        assert counted.macs == pytest.approx(macs, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_costs_what_it_says_was_published(name: str) -> None:
    published = load(name).published
    if published is None:
        assert name == "resnet8" or "dense" in name or family_of(name) == "digits"
        return
    counted = cost(load(name))
    assert counted.parameters == published.parameters
    if published.macs:
        assert counted.macs == pytest.approx(published.macs, rel=1e-3)


def test_every_name_stands_once_and_is_its_files_name() -> None:
    assert [name for name, count in Counter(NAMES).items() if count > 1] == []
    assert [name for name in NAMES if load(name).name != name] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_is_a_page_with_its_title_and_source(name: str) -> None:
    with open(find(name, "architecture"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert len(lines) <= 20
    assert max(len(line) for line in lines) <= 100
    spec = load(name)
    assert spec.title
    assert spec.source


def test_families_are_the_folders() -> None:
    assert {"cifar", "digits", "imagenet", "mnist"} <= set(families())
    assert not {"recipes", "searches"} & set(families())
    assert family_of("resnet20") == "cifar"
    assert family_of("resnet152") == "imagenet"
    assert family_of("highway10_w16_mnist") == "mnist"
    assert family_of("plain8_digits") == "digits"
    with pytest.raises(UserError, match="no architecture called"):
        family_of("resnet21")
    assert sum(len(list((zoo_folder() / one).glob("*.yaml"))) for one in families()) == len(NAMES)


TWINS = [
    *((f"plain{depth}", f"resnet{depth}", "plain") for depth in (18, 34, 20, 32, 44, 56)),
    *((f"plain{depth}_digits", f"resnet{depth}_digits", "plain") for depth in (8, 14)),
    *((f"highway{depth}_digits", f"resnet{depth}_digits", "highway") for depth in (8, 14)),
]


@pytest.mark.parametrize(("twin", "base", "connection"), TWINS, ids=[twin for twin, *_ in TWINS])
def test_twins_differ_in_one_word(twin: str, base: str, connection: str) -> None:
    claims = {"name": None, "title": None, "source": None, "published": None}
    expected = load(base, [f"block.connection={connection}"])
    assert load(twin).model_copy(update=claims) == expected.model_copy(update=claims)


def test_the_released_mnist_net_keeps_its_windows_and_dropouts() -> None:
    spec = load("highway10_w32_mnist")
    assert spec.input.dropout == 0.2
    assert [stage.after.dropout for stage in spec.stages] == [0.3, 0.4, 0.5]
    assert {stage.width for stage in spec.stages} == {32}
    assert spec.stem.filters == 32
    assert spec.stem.padding == "valid"
