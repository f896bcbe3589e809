"""The generated pages are current, and say everything."""

from __future__ import annotations

import re
from functools import cache

import pytest

from reszoo.cli.program import COMMANDS, command_parser
from reszoo.cli.reference import DOCS, command_page, pages

current_pages, current_page = cache(pages), cache(command_page)


@pytest.mark.parametrize("name", current_pages())
def test_the_committed_page_is_current(name):
    """If not, run `python -m reszoo.cli.reference`."""
    assert (DOCS / name).read_text(encoding="utf-8") == current_pages()[name]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_the_page(command):
    section = re.split(r"^## reszoo ", current_page(), flags=re.M)
    (text,) = (part for part in section if part.startswith(f"{command}\n"))
    parser = command_parser(command)[0].command
    options = [option for action in parser._actions for option in action.option_strings]
    assert not [
        option for option in options if option not in ("-h", "--help") and f"`{option}" not in text
    ]


def test_text_of_the_parser_is_markdown():
    page = current_page()
    assert r"'plain\*'" in page
    assert "](distribution.md)" in page
    assert "docs/" not in page
