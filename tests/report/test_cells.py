"""Tables fit a terminal, and say what they leave out."""

from __future__ import annotations

import io
import re
from functools import cache

import pytest

from reszoo.planning.network import plan
from reszoo.report.cells import fit, text_cells, wrap
from reszoo.report.network_summary import rows_text, stages_text
from reszoo.report.recipes import recipe_entries, recipe_table
from reszoo.report.text import facts, table
from reszoo.report.zoo import zoo_entries, zoo_table
from reszoo.spec import load

entries = cache(zoo_entries)
"""The whole zoo's, planned once."""


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard output a terminal of some width."""

    def of_width(columns):
        monkeypatch.setattr("sys.stdout", Terminal())
        monkeypatch.setenv("COLUMNS", str(columns))

    return of_width


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize(
    "text",
    [
        lambda: zoo_table(entries()),
        lambda: recipe_table(recipe_entries()),
        lambda: stages_text(plan(load("resnet50"))),
        lambda: rows_text(plan(load("resnet20"))),
        lambda: table(["true", *"abcdefghijklmnopqrst"], [["7" * 7] * 21], "l" + "r" * 20),
    ],
    ids=["zoo", "recipes", "stages", "plan", "matrix"],
)
def test_a_table_fits_the_terminal_and_counts_what_it_leaves_out(terminal, columns, text):
    everything = text().splitlines()
    terminal(columns)
    lines = text().splitlines()
    assert max(map(text_cells, lines)) <= columns
    rule = next(line for line in everything if set(line) <= set("- "))
    shown = next(line for line in lines if set(line) <= set("- "))
    said = re.search(r"\.\.\. and (\d+) more columns? \(", "\n".join(lines))
    assert len(shown.split()) + (int(said[1]) if said else 0) == len(rule.split())


def test_every_word_of_a_wrapped_cell_is_kept(terminal):
    words = [f"word{number}" for number in range(40)]
    terminal(60)
    lines = table(("what", "found"), [("a", " ".join(words))], "ll").splitlines()
    assert " ".join(line[6:] for line in lines[2:]).split() == words


def test_a_long_path_gives_way_to_the_other_columns(terminal):
    terminal(60)
    lines = table(("picture", "class"), [("photos/" + "x" * 80, "cat")], "ll").splitlines()
    assert lines[2].endswith("  cat")
    assert "".join(line.split("  ")[0] for line in lines[2:]) == "photos/" + "x" * 80


def test_wide_letters_are_wrapped_by_the_columns_they_take():
    assert wrap("犬犬犬", 4) == ["犬犬", "犬"]
    assert [len(row) for row in fit([["name", "n"], ["犬" * 30, "1"]], "lr", 40)] == [2, 2]


def test_facts_are_wrapped_but_commands_and_paths_stay_whole(terminal):
    path, command = "runs/" + "x" * 80, "reszoo train " + "--recipe here " * 8
    terminal(60)
    lines = facts([("run", path), ("next", command), ("note", "so it goes " * 9)]).splitlines()
    assert lines[0] == f"  run   {path}"
    assert lines[1] == f"  next  {command}".rstrip()
    assert len(lines) > 3 and all(len(line) <= 60 for line in lines[2:])


def test_a_pipe_gets_everything(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, zoo_table(entries()).splitlines())) > 120
