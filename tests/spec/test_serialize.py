"""What is written loads back equal, and a fingerprint says what a network computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reszoo.spec import (
    Architecture,
    fingerprint,
    from_mapping,
    load,
    load_recipe,
    load_search,
    load_target,
    names_of,
    override,
    to_mapping,
    to_yaml,
)
from tests.spec.files import SPEC, write

ZOO = names_of("architecture")


def reloaded(folder: Path, text: str) -> Architecture:
    return load(write(folder, "written.yaml", text))


@pytest.mark.parametrize("name", ZOO)
def test_every_zoo_spec_is_written_and_read_back_equal(tmp_path: Path, name: str) -> None:
    spec = load(name)
    assert reloaded(tmp_path, to_yaml(spec)) == spec
    assert from_mapping(to_mapping(spec)) == spec
    assert fingerprint(reloaded(tmp_path, to_yaml(spec))) == fingerprint(spec)


def test_recipes_searches_and_targets_are_written_and_read_back_equal(tmp_path: Path) -> None:
    kinds = [
        (load_recipe, names_of("recipe")),
        (load_search, names_of("search")),
        (load_target, names_of("target")),
    ]
    assert any(names for _, names in kinds)
    for read, names in kinds:
        for name in names:
            document = read(name)
            assert read(write(tmp_path, "written.yaml", to_yaml(document))) == document


def words() -> st.SearchStrategy[str]:
    return st.text(
        st.characters(exclude_categories=["Cs"]) | st.sampled_from("'\"#:{}[]&*!|>%@`, \n\t\\-"),
        min_size=1,
        max_size=30,
    )


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "classes": st.integers(2, 10**6),
        "activation": st.sampled_from(["relu", "tanh", "none"]),
        "head.dropout": st.floats(0, 0.99),
        "head.logit_scale": st.floats(allow_nan=False, allow_infinity=False),
        "head.hidden": st.lists(st.integers(1, 99), max_size=30),
        "input.mean": st.floats(-1e9, 1e9) | st.lists(st.floats(-1e9, 1e9), max_size=3),
        "block.connection": st.sampled_from(["plain", "residual", "highway", "stochastic"]),
        "block.shortcut.norm": st.booleans(),
        "block.bias": st.booleans() | st.just(["conv1", "conv3"]),
        "block.norm": st.sampled_from(["none", "batch"]),
        "stem.pool": st.sampled_from(["none", "max", "average"]),
        "stages[*].depth": st.integers(1, 40),
        "stages[0].gate.bias": st.floats(-30, 0),
        "stages[-1].after.pool.kind": st.sampled_from(["none", "max"]),
        "stages[-1].after.pool.size": st.integers(1, 9),
    },
)


# Names may look like numbers, booleans and null, but are no devices of Windows.
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9_-])?", fullmatch=True).filter(
    lambda name: not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", name.lower())
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(zoo_name=st.sampled_from(ZOO), changes=CHANGES, name=NAMES, title=words(), source=words())
def test_any_changed_spec_is_written_and_read_back_equal(
    tmp_path: Path,
    zoo_name: str,
    changes: dict[str, object],
    name: str,
    title: str,
    source: str,
) -> None:
    original = load(zoo_name)
    if original.input.contrast is not None:  # Beside it, a mean of pixels would say nothing.
        changes = {path: value for path, value in changes.items() if path != "input.mean"}
    changed = override(original, [f"{path}={value}".lower() for path, value in changes.items()])
    spec = changed.model_copy(update={"title": title, "source": source, "name": name})
    assert reloaded(tmp_path, to_yaml(spec)) == spec
    assert from_mapping(to_mapping(spec)) == spec


@pytest.mark.parametrize(
    "text",
    ["null", "true", "1e-4", "12", "~", "a: b", "a #b", "- a", "", " a ", "yes", "é", "\x85\u2028"],
)
def test_text_that_looks_like_something_else_is_quoted(tmp_path: Path, text: str) -> None:
    spec = load("resnet20").model_copy(update={"title": text})
    assert reloaded(tmp_path, to_yaml(spec)).title == text


def test_comments_stand_at_the_lines_they_are_about(tmp_path: Path) -> None:
    spec = load("resnet20")
    remarks = {("stages", 2): "8x8,\n64 wide", ("classes",): "ten", ("stem", "kernel"): "3x3"}
    text = to_yaml(spec, remarks)
    lines = text.splitlines()
    remarked = [line for line in lines if line.endswith("  # 8x8, 64 wide")]
    assert [line.split(",")[0] for line in remarked] == ["  - {depth: 3"]
    assert "classes: 10  # ten" in lines
    assert "  kernel: 3  # 3x3" in lines
    assert reloaded(tmp_path, text) == spec


def test_a_comment_on_a_long_item_stands_where_it_starts(tmp_path: Path) -> None:
    spec = load("resnet20", ["stages[1].attention=se", "stages[1].shortcut=zero_pad"])
    text = to_yaml(spec, {("stages", 1): "--set"})
    (remarked,) = [line for line in text.splitlines() if line.endswith("  # --set")]
    assert remarked.startswith("  - ")
    assert "width: 32" not in remarked
    assert reloaded(tmp_path, text) == spec


def test_lines_fit_a_screen() -> None:
    for name in ZOO:
        assert max(len(line) for line in to_yaml(load(name)).splitlines()) <= 100


def test_documents_are_equal_by_what_they_say_not_by_where(tmp_path: Path) -> None:
    one = load(write(tmp_path, "one.yaml", SPEC))
    two = load(write(tmp_path, "two.yaml", SPEC))
    assert one == two
    assert hash(one) == hash(two)
    assert one != load(write(tmp_path, "three.yaml", SPEC), ["classes=4"])


def test_a_fingerprint_is_about_the_network_only() -> None:
    spec = load("resnet20")
    renamed = override(spec, ["name=other", "title=T", "source=S"])
    assert fingerprint(renamed) == fingerprint(spec)
    different = {fingerprint(load(name)) for name in ZOO}
    assert len(different) == len(ZOO)


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    mapping = to_mapping(load("resnet20"))
    backwards = dict(reversed(mapping.items()))
    assert fingerprint(from_mapping(backwards)) == fingerprint(from_mapping(mapping))
