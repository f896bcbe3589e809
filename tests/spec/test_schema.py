"""The JSON Schemas accept what the loader accepts, so that editors can be trusted."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reszoo.errors import UserError
from reszoo.resources import targets_folder, zoo_folder
from reszoo.spec import KINDS, json_schema, kind_of, load, to_mapping
from reszoo.spec.document.yaml_source import parse_document
from tests.spec.files import SPEC, write

FILES = sorted(zoo_folder().glob("*/*.yaml")) + sorted(targets_folder().glob("*.yaml"))
FOLDERS = {"recipes": "recipe", "searches": "search", "targets": "target"}


def kind_by_folder(file: Path) -> str:
    return FOLDERS.get(file.parent.name, "architecture")


@cache
def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(json_schema(kind))


def accepts(kind: str, text: str) -> bool:
    document = parse_document(text.encode(), "test.yaml").plain()
    return bool(validator(kind).is_valid(document))


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid_and_described(kind: str) -> None:
    schema = json_schema(kind)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["title"] == f"reszoo {kind}"
    assert schema["description"]


def test_every_shipped_file_is_valid_as_written() -> None:
    validators = {kind: Draft202012Validator(json_schema(kind)) for kind in KINDS}
    assert len(FILES) > 40
    for file in FILES:
        document = parse_document(file.read_bytes(), str(file)).plain()
        errors = list(validators[kind_by_folder(file)].iter_errors(document))
        assert errors == [], f"{file}: {errors[0].message}"


@pytest.mark.parametrize("name", ["resnet50", "highway19_cifar10"])
def test_a_written_out_spec_is_valid(name: str) -> None:
    assert Draft202012Validator(json_schema("architecture")).is_valid(to_mapping(load(name)))


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("stages:", "stags:"),
        ("width: 8", "widht: 8"),
        ("basic", "basci"),
        ("projection", "projektion"),
        ("projection", "{kind: zeropad}"),
        ("projection", "3"),
        ("depth: 2", "depth: 0"),
        ("depth: 2", "depth: two"),
        ("depth: 2", "depth:"),
        ("width: 8", ""),
        ("[8, 8, 1]", "[8, 8]"),
        ("[8, 8, 1]", "[8, 8, 1, 1]"),
        ("input: {shape: [8, 8, 1]}", ""),
        ("{shape: [8, 8, 1]}", "{crop: 1.0}"),
        ("name: tiny", ""),
        ("classes: 3", "extends: 3"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(there: str, instead: str) -> None:
    assert accepts("architecture", SPEC)
    assert not accepts("architecture", SPEC.replace(there, instead, 1))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("extends: resnet20\nname: a\n", True),
        ("extends: resnet20\nname: a\ninput: {crop: 0.5}\n", True),
        ("extends: resnet20\nname: a\nstages: [{depth: 1, width: 3}]\n", True),
        ("extends: resnet20\n", False),
        ("extends: resnet20\nname: a\nstages: [{depth: 1}]\n", False),
        ("extends: resnet20\nname: a\npublished: {parameters: 3}\n", False),
        ("name: a\ninput: {crop: 0.5}\n", False),
    ],
)
def test_a_file_that_extends_may_leave_out_what_it_inherits(text: str, valid: bool) -> None:
    assert accepts("architecture", text) is valid


def test_choices_and_descriptions_reach_the_editor() -> None:
    block = json_schema("architecture")["$defs"]["Block"]["properties"]
    assert "highway" in block["connection"]["enum"]
    assert "bottleneck" in block["expansion"]["description"]


def test_an_unknown_kind_has_no_schema() -> None:
    with pytest.raises(UserError, match="did you mean 'recipe'"):
        json_schema("recipes")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_kind_of_a_file_is_seen_from_its_keys(file: Path) -> None:
    assert kind_of(file) == kind_by_folder(file)


def test_the_kind_of_a_bare_child_is_its_parents(tmp_path: Path) -> None:
    write(tmp_path, "r.yaml", "name: r\nepochs: 3\nbatch: 8\nschedule: cosine\n")
    child = write(tmp_path, "c.yaml", "extends: r.yaml\nname: c\n")
    assert kind_of(child) == "recipe"
    assert kind_of(write(tmp_path, "d.yaml", "extends: resnet20\nname: d\n")) == "architecture"
    assert kind_of(write(tmp_path, "e.yaml", "extends: e.yaml\nname: e\n")) == "architecture"


@pytest.mark.parametrize(
    "text, kind",
    [
        ("extends: mobile-int8\nname: f\nquantize: int8\n", "target"),
        ("extends: parent.yaml\nname: f\nquantize: int8\n", "target"),
        ("name: f\nwrites: [tflite]\nquantize: int8\n", "target"),
        ("name: f\nlr: 0.1\nepochs: 3\n", "recipe"),
        ("name: f\nepohcs: 3\n", "recipe"),
        ("extends: quantize\nname: f\nquantize: int8\n", "recipe"),
        ("extends: resnet20\nname: f\nnum_classes: 3\n", "architecture"),
    ],
)
def test_the_kind_of_a_file_with_a_misspelt_key_is_the_one_that_fits_best(
    text: str, kind: str, tmp_path: Path
) -> None:
    write(tmp_path, "parent.yaml", "extends: mobile-int8\nname: parent\n")
    assert kind_of(write(tmp_path, "f.yaml", text)) == kind
