"""Numbers and tables look as a person writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from reszoo.planning.cost import cost
from reszoo.report.published import agrees, count_lines
from reszoo.report.text import (
    facts,
    format_bytes,
    format_command,
    format_percent,
    format_si,
    heading,
    table,
)
from reszoo.spec import load


@pytest.mark.parametrize(
    ("number", "digits", "expected"),
    [
        (0, 3, "0"),
        (999, 3, "999"),
        (1000, 3, "1 k"),
        (40_551_040, 3, "40.6 M"),
        (40_551_040, 4, "40.55 M"),
        (4_089_184_256, 3, "4.09 G"),
        (999_999_999, 3, "1 G"),
    ],
)
def test_large_numbers_are_short(number, digits, expected):
    assert format_si(number, digits) == expected


def test_sizes_have_decimal_units():
    assert [format_bytes(n) for n in (0, 999, 1000, 25_636_712)] == [
        "0 B",
        "999 B",
        "1 kB",
        "25.6 MB",
    ]


def test_shares_are_percent():
    assert format_percent(None) == "-"
    assert format_percent(0.9943) == "99.43 %"
    assert format_percent(1.0, 1) == "100.0 %"


def test_columns_are_aligned_and_cells_may_be_high():
    drawn = table(("name", "n"), [("a", "1"), ("long\nname", "12")], "lr")
    assert drawn.splitlines() == ["name   n", "----  --", "a      1", "long  12", "name"]


@pytest.mark.parametrize("name", ["café", "猫", "👩‍🚀", "⚽️"])
def test_columns_are_aligned_beside_wide_letters(name):
    drawn = table(("name", "n"), [(name, "1"), ("eight888", "2")], "lr").splitlines()
    assert {cell_len(line) for line in drawn} == {len("eight888  n")}
    assert facts([(name, "1"), ("eight888", "2")]).splitlines()[0].endswith("  1")


def test_a_table_is_not_cut_coloured_or_padded(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    drawn = table(("name", "what"), [("a" * 100, "b" * 100), ("[red]", "")], "ll").splitlines()
    assert drawn[2:] == ["a" * 100 + "  " + "b" * 100, "[red]"]


def test_facts_stand_under_each_other():
    assert facts([("a", "1"), ("long", "2")]) == "  a     1\n  long  2"


@pytest.mark.parametrize(
    ("exact", "published", "same"),
    [
        (25_557_032, 25_557_032, True),
        (25_557_033, 25_557_032, False),
        (4_089_184_256, 4.089e9, True),
        (4_089_500_001, 4.089e9, False),
        (40_551_040, 40.55e6, True),
        (40_600_000, 40.55e6, False),
    ],
)
def test_a_count_is_the_published_one_when_it_rounds_to_its_digits(exact, published, same):
    assert agrees(exact, published) is same


def test_a_count_that_differs_says_by_how_much():
    spec = load("resnet20")
    published = spec.published.model_copy(update={"parameters": 269_720})
    wrong = spec.model_copy(update={"published": published})
    lines = dict(count_lines(wrong, cost(wrong)))
    assert lines["parameters"] == "269,722, +2 from the published 269,720 (He 2015, Table 6)"


def test_a_command_can_be_pasted_into_a_shell_whatever_the_path():
    assert format_command("evaluate", Path("runs/tiny-1")) == "reszoo evaluate runs/tiny-1"
    assert format_command("train", Path("my nets/$a.yaml")) == "reszoo train 'my nets/$a.yaml'"


def test_control_characters_of_names_are_written_out_and_columns_stay_aligned() -> None:
    lines = table(("class", "images"), [("\x1b[2J", "7"), ("犬", "12")], "lr").splitlines()
    assert lines[2:] == [r"\x1b[2J       7", "犬           12"]
    assert "\x1b" not in facts([("name", "\x1b[2J")]) + heading("a", "\x1b[2J", "\x1b[2J")
