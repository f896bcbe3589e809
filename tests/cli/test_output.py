"""On a terminal, commands end with the one that usually follows, as a line that a shell takes."""

from __future__ import annotations

import contextlib
import io
import shlex

import pytest

from reszoo.cli import main
from reszoo.cli.program import command_parser
from tests.cli.conftest import TINY
from tests.report.sample_runs import finished_run

COMMANDS = [
    ("list", "--family", "digits"),
    ("list", "--recipes"),
    ("show", "resnet20", "--set", "classes=7"),
    ("show", "resnet20", "plain20"),
    ("show", "my runs/a"),
    ("show", "my runs/a", "my runs/b"),
    ("validate", "tiny.yaml"),
    ("runs", "my runs"),
    ("card", "my runs/a", "-o", "card.md"),
    ("report", "my runs/a", "-o", "my page.html"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    for name in "ab":
        finished_run(tmp_path / "my runs" / name)


def printed(words, stream) -> str:
    with contextlib.redirect_stdout(stream):
        assert main(list(words)) == 0
    return stream.getvalue()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_last_line_is_a_command_that_reszoo_takes(folder, words):
    last = printed(words, Terminal()).splitlines()[-1]
    assert last.startswith("  next  reszoo ")
    _, program, command, *rest = shlex.split(last)
    assert program == "reszoo"
    parser, _ = command_parser(command)
    parser.parse_args([command, *rest])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_pipe_takes_only_results(folder, words):
    assert "  next  " not in printed(words, io.StringIO())


@pytest.mark.parametrize("words", [("show", "resnet20", "--json"), ("runs", "my runs", "--csv")])
def test_data_have_no_next_line(folder, words):
    assert "  next  " not in printed(words, Terminal())


def test_what_trains_a_changed_network_has_its_changes(folder):
    out = printed(("show", "resnet20", "--set", "stages[0].depth=2"), Terminal())
    assert out.endswith("  next  reszoo train resnet20 --set 'stages[0].depth=2'\n")
