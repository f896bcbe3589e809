"""Tables of fields say what the JSON Schema says."""

from __future__ import annotations

import re

import pytest

from reszoo import spec
from reszoo.report.schema_tables import field_tables


def rows(text: str, section: str | None = None) -> dict[str, list[str]]:
    """The cells behind each field of a section; of the first table without one."""
    parts = re.split(r"^## `(.*)`$", text, flags=re.M)
    sections = {None: parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    lines = re.findall(r"^\| `(.+?)` \| (.*) \|$", sections[section], flags=re.M)
    return {name: rest.split(" | ") for name, rest in lines}


@pytest.mark.parametrize("kind", spec.KINDS)
def test_every_field_of_the_file_is_a_row_that_is_explained(kind):
    table = rows(field_tables(kind))
    assert list(table) == list(spec.json_schema(kind)["properties"])
    assert not [name for name, cells in table.items() if len(cells) != 3 or not cells[2]]


@pytest.mark.parametrize("kind", spec.KINDS)
def test_every_mapping_has_one_section(kind):
    text = field_tables(kind)
    sections = re.findall(r"^## `(.*)`$", text, flags=re.M)
    names = [re.sub(r"[^\w-]", "", section) for section in sections]
    assert len(set(names)) == len(names)
    assert set(re.findall(r"\[mapping\]\(#(.*?)\)", text)) == set(names)


def test_values_bounds_and_defaults_are_told():
    recipe = field_tables("recipe")
    assert rows(recipe)["epochs"][:2] == ["integer from 1", "required"]
    assert rows(recipe, "optimizer")["momentum"][:2] == ["number from 0 below 1", "`0.9`"]
    assert rows(recipe, "optimizer")["lookahead"][0] == "[mapping](#optimizerlookahead)"
    assert rows(recipe, "schedule")["warmup"][0].endswith("fraction such as `30/90`")
    assert rows(recipe, "augmentation")["flip"][0] == "`true`, `false` or `alternating`"
    assert "A word alone, such as `rmsprop`, is short for `{kind: rmsprop}`." in recipe


def test_a_stage_shows_its_own_fields_and_refers_to_the_block_for_others():
    table = rows(field_tables("architecture"), "stages[]")
    assert list(table) == ["depth", "width", "stride", "first", "after"]
    assert "any field of [`block`](#block)" in field_tables("architecture")
