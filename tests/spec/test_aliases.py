"""Words of other libraries are refused with the line to write, which is then accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.spec import from_mapping, load, resolve
from reszoo.spec.document.aliases import KEYS, SIBLINGS, WORDS, value_for
from reszoo.spec.lookup import document_class
from tests.spec.files import SPEC, refusal, write

EXAMPLES = {
    "architecture": "resnet20",
    "recipe": "short32",
    "search": "digits_tiny",
    "target": "server-cpu",
}
VALUES = {  # of the fields that no 0.1 fits
    "extends": "resnet20",
    "classes": "7",
    "input.shape": "96",
    "activation": "relu",
    "norm": "batch",
    "head.pool": "average",
    "block.zero_gamma": "true",
    "block.groups": "2",
    "batch": "1",
    "epochs": "3",
    "optimizer.kind": "adam",
    "schedule.kind": "cosine",
    "loss": "cross_entropy",
    "precision": "float32",
    "strategy.trials": "3",
    "base": "resnet20",
    "seed": "3",
    "quantization": "none",
    "input": "float32",
    "output": "float32",
}


def line_of(hint: object) -> str:
    """The line that a hint says to write."""
    match = re.search(r"write `([^`]*)`", str(hint))
    assert match, hint
    return match[1]


@pytest.mark.parametrize(
    ("kind", "key", "path"),
    [(kind, key, path) for kind, keys in KEYS.items() for key, path in keys.items()],
)
def test_every_key_is_refused_with_the_override_to_write(kind: str, key: str, path: str) -> None:
    name = EXAMPLES[kind]
    error = refusal(name, f"{key}={VALUES.get(path, '0.1')}", kind=kind)
    assert line_of(error.hint).startswith(f"{path}=")
    if path != "extends":  # which is a line of a file
        resolve(name, kind, [line_of(error.hint)])


def test_every_key_beside_others_stands_for_a_field() -> None:
    schemas = " ".join(str(document_class(kind).model_json_schema()) for kind in KEYS)
    fields = set(re.findall(r"'(\w+)': {", schemas))
    assert {field for meant in SIBLINGS.values() for field in meant} <= fields


def test_every_word_stands_for_a_value_that_some_field_takes() -> None:
    taken: set[str] = set()
    for kind in KEYS:
        text = str(document_class(kind).model_json_schema())
        taken |= set(re.findall(r"'([a-z0-9_]+)'", text))
    assert {word for meant in WORDS.values() for word in meant} <= taken


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        *(("swish", "silu"), ("Swish", "silu"), ("SiLU", "silu"), ("ReLU6", "relu6")),
        *(("hardswish", "hard_swish"), ("hard-swish", "hard_swish"), ("LeakyReLU", "leaky_relu")),
        ("linear", "none"),
    ],
)
def test_an_activation_is_refused_with_the_line(tmp_path: Path, found: str, meant: str) -> None:
    file = write(tmp_path, "a.yaml", SPEC + f"activation: {found}\n")
    line = line_of(refusal(file).hint)
    assert line == f"activation: {meant}"
    assert load(write(tmp_path, "b.yaml", SPEC + line)).activation == meant
    assert line_of(refusal("resnet20", f"activation={found}").hint) == f"activation={meant}"


def test_nothing_similar_is_proposed_for_what_has_no_twin() -> None:
    assert refusal("resnet20", "activation=mish").hint == "choose one of them"
    assert value_for("selu", ["relu", "elu", "silu"]) == ""


@pytest.mark.parametrize(
    ("there", "instead", "line"),
    [
        ("classes: 3", "num_classes: 3", "write `classes: 3` in its place"),
        ("input: {shape: [8, 8, 1]}", "img_size: 8", "write `input: {shape: [8, 8, 3]}` in"),
        ("{shape: [8, 8, 1]}", "{input_shape: [1, 8, 8]}", "write `shape: [8, 8, 1]` in its"),
        ("depth: 2", "blocks: 2", "write `depth: 2` in its place"),
        ("width: 8", "filters: 8", "write `width: 8` in its place"),
        ("filters: 4", "channels: 4", "write `filters: 4` in its place"),
        ("transform: basic", "cardinality: 2", "write `groups: 2` in its place"),
        ("stride: 2", "drop_path: 0.2", "write `survival_probability: 0.8` under `block` in its"),
        ("classes: 3", "classes: 3\nnb_classes: 4", "remove it: `classes` is set as well"),
        ("name: tiny", "name: tiny\nmodel: resnet20", "write `extends: resnet20` in its place"),
    ],
)
def test_a_key_in_a_file_is_refused_with_the_line(
    tmp_path: Path, there: str, instead: str, line: str
) -> None:
    error = refusal(write(tmp_path, "a.yaml", SPEC.replace(there, instead)))
    assert line in str(error.hint)
    assert not error.others


def test_an_abbreviated_kind_is_written_out(tmp_path: Path) -> None:
    text = "name: x\nepochs: 3\nbatch: 8\nschedule: cosine\nlr: 0.1\n"
    error = refusal(write(tmp_path, "r.yaml", text), kind="recipe")
    line = "schedule: {kind: cosine, peak: 0.1}"
    assert error.hint == f"write `{line}` in place of it and of `schedule: cosine`"


def test_a_line_may_override_what_a_parent_says(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "a.yaml", "name: a\nextends: resnet20\nnum_classes: 4\n"))
    assert error.hint == "write `classes: 4` in its place"


def test_a_side_is_answered_with_the_shape(tmp_path: Path) -> None:
    grey = write(tmp_path, "grey.yaml", SPEC)
    assert line_of(refusal(grey, "input.shape=28").hint) == "input.shape=[28, 28, 1]"
    assert line_of(refusal("resnet20", "input.shape=96").hint) == "input.shape=[96, 96, 3]"


def test_a_mapping_is_answered_with_the_line_too() -> None:
    with pytest.raises(UserError) as caught:
        from_mapping({"name": "x", "lr": 0.1, "epochs": 1, "batch": 1}, "recipe")
    assert caught.value.hint == "write `schedule: {peak: 0.1}` in its place"
