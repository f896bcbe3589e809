"""`--set path=value` changes one field of a spec, which then drops its published numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from reszoo.spec import load, override, resolve
from tests.spec.files import SPEC, refusal, write


def test_one_stage_or_all_of_them_are_set() -> None:
    assert [s.depth for s in load("resnet50", ["stages[2].depth=23"]).stages] == [3, 4, 23, 3]
    assert [s.depth for s in load("resnet50", ["stages[-1].depth=9"]).stages] == [3, 4, 6, 9]
    assert {s.width for s in load("resnet50", ["stages[*].width=32"]).stages} == {32}


def test_resnet101_is_resnet50_with_one_override() -> None:
    assert load("resnet50", ["stages[2].depth=23"]).stages == load("resnet101").stages


def test_later_overrides_win_and_keys_are_made() -> None:
    spec = load("resnet20", ["stages[*].depth=5", "stages[0].depth=2", "head.dropout=1e-1"])
    assert [stage.depth for stage in spec.stages] == [2, 5, 5]
    assert spec.head.dropout == 0.1


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("block.connection=highway", "block.connection", "highway"),
        (" block.connection = highway ", "block.connection", "highway"),
        ("block={connection: highway}", "block.transform", "bottleneck"),
        ("block.shortcut.norm=false", "block.shortcut.norm", False),
        ("block.shortcut.norm=false", "block.shortcut.kind", "projection"),
        ("block.shortcut=zero_pad", "block.shortcut.kind", "zero_pad"),
        ("input.shape=[64, 64, 3]", "input.shape", (64, 64, 3)),
        ("head.hidden=[8,8]", "head.hidden", (8, 8)),
        ("title=a = b", "title", "a = b"),
        ("title='3'", "title", "3"),
        ("block.gate.bias=-3", "block.gate.bias", -3.0),
        ("stem.norm=null", "stem.norm", None),
    ],
)
def test_an_override_sets_what_it_says(text: str, path: str, value: object) -> None:
    field: object = load("resnet50", [text])
    for name in path.split("."):
        field = getattr(field, name)
    assert field == value


def test_a_changed_spec_keeps_its_name_and_loses_its_claims() -> None:
    spec = load("resnet50", ["stages[2].depth=5"])
    assert (spec.name, spec.title, spec.source, spec.published) == ("resnet50", None, None, None)


def test_a_claim_that_an_override_makes_stays() -> None:
    spec = load("resnet50", ["stages[2].depth=5", "title=Mine", "name=mine"])
    assert (spec.name, spec.title, spec.source) == ("mine", "Mine", None)


def test_a_new_name_alone_changes_no_claim() -> None:
    spec = load("resnet50", ["name=mine"])
    assert spec.name == "mine"
    assert spec.published == load("resnet50").published


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes", ["no = sign", "FIELD=VALUE", "write classes=VALUE if"]),
        ("highway", ["no = sign", "FIELD=highway if it is the value"]),
        ("block.connection: highway", ["write block.connection=highway"]),
        ("stages[2].depth 23", ["write stages[2].depth=23"]),
        ("=3", ["FIELD=VALUE"]),
        ("stages[each].depth=3", ["FIELD=VALUE", "stages[each].depth"]),
        ("stages.[0].depth=3", ["FIELD=VALUE"]),
        ("stages[0]depth=3", ["FIELD=VALUE"]),
        ("stages[9].depth=3", ["no stages[9]", "stages[0] to stages[3]"]),
        ("stages[-5].depth=3", ["no stages[-5]", "a list of 4"]),
        ("stages.depth=3", ["stages has no 'depth'", "stages[*]"]),
        ("classes.depth=3", ["classes has no 'depth'", "1000"]),
        ("classes[0]=3", ["classes is not a list", "1000"]),
        ("head.hidden[0]=3", ["head.hidden does not exist", "head.hidden=[...]"]),
        ("stages[1].dept=3", ["unknown key 'dept'", "did you mean 'depth'"]),
        ("stages[1].depth=three", ["a whole number", "'three'"]),
        ("classes=0", ["at least 1"]),
        ("extends=resnet20", ["unknown key 'extends'"]),
        ("title=[1", ["YAML"]),
        ("title=a: b: c", ["YAML"]),
        ("title=*x", ["alias"]),
        ("title=!!python/name:os.system", ["tag"]),
        ("stem={kernel: 3, kernel: 5}", ["twice"]),
        ("title=\x07", ["control character"]),
    ],
)
def test_a_bad_override_is_named_as_it_was_written(text: str, words: list[str]) -> None:
    error = refusal("resnet50", text)
    assert str(error.where) == f"--set {text}"
    assert [word for word in words if word not in str(error)] == []


def test_a_value_that_was_set_has_its_override_as_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", SPEC)
    spec = load(file, ["stages[*].depth=3"])
    assert str(spec.where("stages", 0, "depth")) == "--set stages[*].depth=3"
    assert str(spec.where("stages", 1, "width")) == f"{file}:10:12"


def test_a_loaded_document_takes_overrides_too(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", SPEC)
    spec = override(load(file), ["stages[*].width=5"])
    assert spec == load(file, ["stages[*].width=5"])
    assert str(spec.where("stages", 0, "width")) == "--set stages[*].width=5"
    assert str(spec.where("stages", 0, "depth")) == f"{file}:8:13"


def test_overrides_leave_the_loaded_document_as_it_was() -> None:
    spec = load("resnet20")
    before = dict(resolve("resnet20").mapping)
    override(spec, ["stages[*].width=5"])
    assert spec == load("resnet20")
    assert resolve("resnet20").mapping == before
