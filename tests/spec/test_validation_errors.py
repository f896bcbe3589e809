"""A spec that says something impossible is refused in one error that a person can act on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.spec import from_mapping, load, load_recipe, resolve, to_mapping
from tests.spec.files import SPEC, position, refusal, write

CASES = [
    # (what stands in SPEC, what is written instead, line, column, words of the message)
    ("stages:", "stags:", (7, 1), ["unknown key 'stags'", "did you mean 'stages'"]),
    ("classes: 3", "clases: 3", (12, 1), ["unknown key 'clases'", "did you mean 'classes'"]),
    ("width: 8", "widht: 8", (10, 5), ["'widht' in stages[1]", "did you mean 'width'"]),
    ("filters: 4", "filter: 4", (3, 8), ["'filter' in stem", "did you mean 'filters'"]),
    ("transform: basic", "depth: 3", (5, 3), ["'depth' in block", "a key of stages[*]"]),
    ("transform: basic", "zzz: 3", (5, 3), ["'zzz' in block", "remove the key"]),
    ("basic", "basci", (5, 14), ["block.transform", "bottleneck", "did you mean 'basic'"]),
    ("basic", "capsule", (5, 14), ["block.transform", "reszoo.register_transform"]),
    ("projection", "projektion", (6, 13), ["did you mean 'projection'"]),
    ("projection", "{kind: zeropad}", (6, 20), ["shortcut.kind", "write `kind: zero_pad`"]),
    ("projection", "3", (6, 13), ["block.shortcut", "a mapping"]),
    ("projection", "{norm: 1}", (6, 20), ["shortcut.norm", "true or false"]),
    ("projection", "{norm: yes}", (6, 20), ["shortcut.norm", "true or false", "'yes'"]),
    ("depth: 2", "depth: 0", (9, 12), ["stages[1].depth cannot be 0", "at least 1"]),
    ("depth: 2", "depth: -3", (9, 12), ["stages[1].depth cannot be -3", "at least 1"]),
    ("depth: 2", "depth: 1000000000", (9, 12), ["stages[1].depth", "at most 10000"]),
    ("depth: 2", "depth: two", (9, 12), ["a whole number", "'two'"]),
    ("depth: 2", "depth: '2'", (9, 12), ["a whole number", "'2'", "without quotes"]),
    ("depth: 2", "depth: 2.5", (9, 12), ["a whole number", "2.5"]),
    ("depth: 2", "depth: 2.0", (9, 12), ["a whole number", "2.0"]),
    ("depth: 2", "depth: true", (9, 12), ["a whole number", "true"]),
    ("depth: 2", "depth: [2]", (9, 12), ["a whole number", "[2]"]),
    ("depth: 2", "depth:", (9, 11), ["a whole number", "nothing"]),
    ("{filters: 4}", "", (3, 6), ["stem", "a mapping", "nothing", "indented"]),
    ("{filters: 4}", "{filters: [4, x]}", (3, 21), ["stem.filters[1]", "'x'", "a whole number"]),
    ("{filters: 4}", "{filters: many}", (3, 17), ["a whole number or a list", "'many'"]),
    ("{filters: 4}", "{filters: 0}", (3, 17), ["stem.filters", "at least 1"]),
    ("[8, 8, 1]", "[8, 8]", (2, 16), ["input.shape", "too short", "input.shape[2]"]),
    ("[8, 8, 1]", "[8, 8, 1, 1]", (2, 16), ["input.shape", "at most 3"]),
    ("[8, 8, 1]", "8", (2, 16), ["input.shape", "a list", "write `shape: [8, 8, 3]`"]),
    ("[8, 8, 1]}", "[8, 8, 1], std: 0}", (2, 32), ["input.std", "above 0"]),
    ("[8, 8, 1]}", "[8, 8, 1], mean: .nan}", (2, 33), ["input.mean", "finite"]),
    ("[8, 8, 1]}", "[8, 8, 1], mean: picture}", (2, 33), ["input.mean", "'picture'", "image"]),
    (
        "[8, 8, 1]}",
        "[8, 8, 1], contrast: global, std: 60}",
        (2, 50),
        ["input.std", "1 beside `contrast: global`"],
    ),
    (
        "[8, 8, 1]}",
        "[8, 8, 1], mean: image, test_size: 9}",
        (2, 51),
        ["input.test_size", "a mean image has one size"],
    ),
    ("[8, 8, 1]}", "[8, 8, 1], crop: 1.5}", (2, 33), ["input.crop", "at most 1"]),
    ("[8, 8, 1]}", "[8, 8, 1], dropout: 1}", (2, 36), ["input.dropout", "below 1"]),
    ("input: {shape: [8, 8, 1]}", "", (1, 1), ["'input' is missing", "`input: ...`"]),
    ("{shape: [8, 8, 1]}", "{crop: 1.0}", (2, 8), ["'shape' is missing in input"]),
    ("name: tiny", "", (2, 1), ["'name' is missing", "never inherited"]),
    ("name: tiny", "name: 3", (1, 7), ["name cannot be 3", "text"]),
    ("  - {depth: 1, width: 4}", "  - 3", (8, 5), ["stages[0]", "a mapping"]),
    ("classes: 3", "extends: 3", (12, 10), ["extends", "name one spec"]),
    ("classes: 3", "extends:", (12, 9), ["extends", "name one spec"]),
]


@pytest.mark.parametrize(
    ("there", "instead", "at", "words"), CASES, ids=[f"{c[0]} as {c[1]}" for c in CASES]
)
def test_a_spec_that_cannot_be_used_says_what_where_and_what_to_do(
    tmp_path: Path, there: str, instead: str, at: tuple[int, int], words: list[str]
) -> None:
    assert there in SPEC
    file = write(tmp_path, "bad.yaml", SPEC.replace(there, instead, 1))
    error = refusal(file)
    assert [word for word in words if word not in str(error)] == []
    assert position(error) == at


def test_stages_may_not_be_empty(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "a.yaml", SPEC), "stages=[]")
    assert "at least 1" in str(error.expected)


def test_the_first_problem_is_told_and_the_others_are_counted(tmp_path: Path) -> None:
    text = SPEC.replace("depth: 1", "depth: 0").replace("depth: 2", "depth: x")
    file = write(tmp_path, "bad.yaml", text.replace("classes: 3", "classes: -1"))
    error = refusal(file)
    assert error.what == "stages[0].depth cannot be 0 (and 2 more problems)"


def test_an_unknown_key_is_told_before_the_missing_one_it_explains(tmp_path: Path) -> None:
    file = write(tmp_path, "bad.yaml", SPEC.replace("stages:", "stags:"))
    assert refusal(file).what == "unknown key 'stags' in the architecture (and 1 more problem)"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnet05", "resnet50"), ("ResNet-50", "resnet50"), ("resnet_152", "resnet152")],
)
def test_an_unknown_name_is_answered_with_the_nearest_ones(name: str, nearest: str) -> None:
    error = refusal(name)
    assert name in error.what
    assert f"'{nearest}'" in str(error.hint)


def test_a_name_like_nothing_is_sent_to_the_list() -> None:
    assert "reszoo list" in str(refusal("qqqqqqqqq").hint)


def test_a_file_in_this_folder_is_offered_with_its_slash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "mine.yaml", SPEC)
    monkeypatch.chdir(tmp_path)
    assert "./mine.yaml" in str(refusal("mine").hint)
    assert load("./mine.yaml").name == load("mine.yaml").name == "tiny"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="no kind of spec called 'receipt'"):
        resolve("resnet20", "receipt")


def test_an_unknown_recipe_is_answered_with_all_of_them() -> None:
    with pytest.raises(UserError) as caught:
        load_recipe("no_such_recipe")
    assert "a path ending in .yaml" in str(caught.value.expected)


def test_a_mapping_that_is_no_spec_names_the_field() -> None:
    mapping = to_mapping(load("resnet20"))
    mapping["stages"][2]["width"] = 0
    with pytest.raises(UserError) as caught:
        from_mapping(mapping)
    assert "stages[2].width cannot be 0" in caught.value.what
    assert caught.value.where is None


def test_what_a_value_is_checked_against_together_is_told_with_its_place(tmp_path: Path) -> None:
    text = "name: x\nepochs: 3\nbatch: 8\nschedule: {kind: step}\n"
    error = refusal(write(tmp_path, "recipe.yaml", text), kind="recipe")
    assert "drops in a step schedule" in str(error)
    assert position(error) == (4, 11)


def test_reading_specs_loads_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys; from reszoo.spec import load, json_schema; load('resnet50');"
        "json_schema('architecture');"
        "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
