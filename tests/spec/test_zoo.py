"""The zoo is easy to read: every name once, short files, twins that differ in a word.

What each network costs is a matter of the plan: `tests/planning/test_zoo.py`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from reszoo.errors import UserError
from reszoo.resources import zoo_folder
from reszoo.spec import families, family_of, load, names_of
from reszoo.spec.lookup import find_file

NAMES = names_of("architecture")


def test_every_name_stands_once_and_is_its_files_name() -> None:
    assert [name for name, count in Counter(NAMES).items() if count > 1] == []
    assert [name for name in NAMES if load(name).name != name] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_is_a_page_with_its_title_and_source(name: str) -> None:
    with open(find_file(name, "architecture"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert len(lines) <= 20
    assert max(len(line) for line in lines) <= 100
    spec = load(name)
    assert spec.title
    assert spec.source


def test_families_are_the_folders() -> None:
    assert {"cifar", "digits", "edge", "imagenet", "mnist", "signals"} == set(families())
    assert family_of("resnet20") == "cifar"
    assert family_of("resnet152") == "imagenet"
    assert family_of("highway10_w16_mnist") == "mnist"
    assert family_of("plain8_digits") == "digits"
    assert family_of("resnet8_mlperf") == "edge"
    with pytest.raises(UserError, match="no architecture called"):
        family_of("resnet21")
    assert sum(len(list((zoo_folder() / family).glob("*.yaml"))) for family in families()) == len(
        NAMES
    )


TWINS = [
    *((f"plain{depth}", f"resnet{depth}", "plain") for depth in (18, 34, 20, 32, 44, 56, 110)),
    *((f"highway{depth}", f"resnet{depth}", "highway") for depth in (18, 34, 50)),
    *(
        (f"resnet{depth}_{word}", f"resnet{depth}", word)
        for depth in (18, 34, 50)
        for word in ("stochastic", "scaled")
    ),
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


def test_the_gates_of_he_2016_table_1_start_where_the_table_says() -> None:
    biases = {"exclusive_gate": (-6, -7), "shortcut_gate": (0, -6)}
    for words, values in biases.items():
        for value in values:
            block = load(f"resnet110_{words}_b{-value}").block
            assert (block.gate.bias, block.gate.kernel) == (value, 1)
