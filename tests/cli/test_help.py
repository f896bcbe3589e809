"""Help pages: they fit 80 columns, are grouped, and say the defaults."""

from __future__ import annotations

import argparse
import re

import pytest

from reszoo.cli.program import COMMANDS, full_parser


@pytest.fixture(scope="module")
def pages():
    """The parser of each command."""
    actions = full_parser()._actions
    return next(a.choices for a in actions if isinstance(a, argparse._SubParsersAction))


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_a_page_fits_80_columns(reszoo, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    words = [command] if command else []
    assert max(map(len, reszoo(*words, "--help").out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_no_group_has_more_than_ten_options(pages, command):
    for group in pages[command]._action_groups:
        assert len(group._group_actions) <= 10, group.title


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_an_option_is_a_phrase_that_ends_with_its_default(pages, command):
    for action in pages[command]._actions:
        text = action.help
        assert text and not text.endswith("."), action
        assert "default" not in re.sub(r" \(default: [^()]+\)$", "", text), action
        if action.default not in (None, False, (), [], argparse.SUPPRESS):
            assert text.endswith(f" (default: {action.default})"), action


@pytest.mark.parametrize("command", COMMANDS)
def test_a_description_is_sentences(pages, command):
    assert pages[command].description.strip().split("\n\n")[0].endswith(".")


def test_help_of_a_command_is_its_help_page(reszoo):
    assert reszoo("help", "train") == reszoo("train", "--help")
    assert reszoo("help") == reszoo("--help")


def test_help_of_an_unknown_command_names_the_nearest(reszoo):
    result = reszoo("help", "trian")
    assert result.code == 2
    assert "did you mean 'train'?" in result.err
