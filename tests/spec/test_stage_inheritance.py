"""A stage changes what it says of the block, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reszoo.spec import Architecture, fingerprint, from_mapping, load, override, to_mapping, to_yaml
from reszoo.spec.block_fields import Block
from tests.spec.files import SPEC, refusal, write


def spec_with(block: dict[str, Any], stage: dict[str, Any], **fields: Any) -> Architecture:
    mapping = {
        "name": "tiny",
        "input": {"shape": [8, 8, 1]},
        "block": block,
        "stages": [{"depth": 1, "width": 4, **stage}, {"depth": 1, "width": 4}],
        "classes": 3,
        **fields,
    }
    spec: Architecture = from_mapping(mapping)
    return spec


CASES = [
    ({"attention": "eca"}, {"attention": {"kernel": 3}}, {"kind": "eca", "kernel": 3}),
    (
        {"attention": {"kind": "se", "ratio": 4.0}},
        {"attention": {"divisor": 1}},
        {"kind": "se", "ratio": 4.0, "divisor": 1},
    ),
    ({"attention": {"kind": "se", "ratio": 4.0}}, {"attention": "se"}, {"ratio": 16.0}),
    (
        {"attention": {"kind": "se", "ratio": 4.0}},
        {"attention": {"kind": "se", "divisor": 1}},
        {"ratio": 16.0, "divisor": 1},
    ),
    ({"shortcut": "zero_pad"}, {"shortcut": {"norm": False}}, {"kind": "zero_pad", "norm": False}),
    ({"gate": {"kernel": 3}}, {"gate": {"bias": -2.0}}, {"kernel": 3, "bias": -2.0}),
    ({"gate": {"kernel": 3}}, {"gate": {"kernel": None, "bias": -2.0}}, {"kernel": 3}),
    ({"constants": {"carry": 0.5}}, {"constants": {"transform": 2.0}}, {"carry": 0.5}),
    ({"norm": "none"}, {"norm": {"epsilon": 0.1}}, {"kind": "none"}),
    ({}, {"attention": {"ratio": 4.0}}, {"kind": "none", "ratio": 4.0}),
]


@pytest.mark.parametrize(("block", "stage", "expected"), CASES)
def test_a_stage_changes_only_what_it_says(
    tmp_path: Path, block: dict[str, Any], stage: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = spec_with(block, stage)
    (name,) = stage
    value = getattr(spec.stage_block(0), name)
    assert {key: getattr(value, key) for key in expected} == expected
    assert spec.stage_block(1) == spec.block
    again = load(write(tmp_path, "written.yaml", to_yaml(spec)))
    assert again == spec == from_mapping(to_mapping(spec))
    assert fingerprint(again) == fingerprint(spec)


def test_block_and_stem_change_the_norm_of_the_spec() -> None:
    spec = spec_with(
        {"norm": {"epsilon": 0.1}}, {}, norm={"momentum": 0.5}, stem={"norm": {"epsilon": 0.2}}
    )
    assert spec.block.norm is not None and spec.stem.norm is not None
    assert (spec.block.norm.epsilon, spec.block.norm.momentum) == (0.1, 0.5)
    assert (spec.stem.norm.epsilon, spec.stem.norm.momentum) == (0.2, 0.5)


def test_an_override_inside_a_stage_changes_that_stage_only() -> None:
    spec = load("resnet20", ["block.attention=eca", "stages[0].attention.kernel=3"])
    assert [spec.stage_block(index).attention.kernel for index in range(3)] == [3, None, None]
    assert {spec.stage_block(index).attention.kind for index in range(3)} == {"eca"}
    assert override(
        load("resnet20", ["block.attention=eca"]), ["stages[0].attention.kernel=3"]
    ) == (
        load(
            "resnet20", ["block.attention=eca", "stages[0].attention.kernel=3", "title=x"]
        ).model_copy(update={"title": None})
    )


def test_values_can_be_given_for_the_block_and_mappings_for_stages() -> None:
    block = Block.model_validate({"attention": {"kind": "se", "ratio": 4.0}})
    changed = spec_with({}, {}).model_copy(update={"block": block})
    mapping = {**to_mapping(changed), "block": block}
    mapping["stages"][0]["attention"] = {"divisor": 1}
    attention = from_mapping(mapping).stage_block(0).attention
    assert (attention.kind, attention.ratio, attention.divisor) == ("se", 4.0, 1)


def test_a_wrong_key_in_a_stage_is_still_refused_where_it_stands(tmp_path: Path) -> None:
    text = SPEC.replace("stride: 2", "stride: 2\n    shortcut: {nrom: null}")
    error = refusal(write(tmp_path, "a.yaml", text))
    assert error.what == "unknown key 'nrom' in stages[1].shortcut"
    assert error.hint == "did you mean 'norm'?"
