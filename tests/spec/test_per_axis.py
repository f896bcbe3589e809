"""A kernel, a window or a stride is one number, or [height, width]."""

from __future__ import annotations

import json

import jsonschema
import pytest

from reszoo import spec as specs
from reszoo.errors import UserError
from reszoo.spec.per_axis import axes, short, times

FIELDS = [
    "stem.kernel",
    "stem.stride",
    "block.kernel",
    "block.gate.kernel",
    "stages[1].kernel",
    "stages[1].stride",
    "stages[1].gate.kernel",
]
POOL = "stem.pool={kind: max, size: [1, 3], stride: [1, 2]}"


@pytest.mark.parametrize("field", FIELDS)
def test_every_kernel_and_stride_may_have_two_sides(field: str) -> None:
    pair = specs.load("resnet20", [f"{field}=[1, 2]"])
    assert f"{field.rpartition('.')[2]}: [1, 2]" in specs.to_yaml(pair)
    assert specs.from_mapping(specs.to_mapping(pair)) == pair
    square = specs.load("resnet20", [f"{field}=[3, 3]"])
    single = specs.load("resnet20", [f"{field}=3"])
    assert specs.to_yaml(square) == specs.to_yaml(single)
    assert specs.fingerprint(square) == specs.fingerprint(single) != specs.fingerprint(pair)
    hash((pair, square))


def test_pools_have_two_sides_too() -> None:
    for field in ("stem.pool", "stages[0].after.pool"):
        pool = "{kind: max, size: [1, 3], stride: [1, 2]}"
        spec = specs.load("resnet20", [f"{field}={pool}"])
        assert pool[:-1] in specs.to_yaml(spec)


def test_one_number_is_written_as_one_number() -> None:
    text = specs.to_yaml(specs.load("resnet50"))
    assert "kernel: [" not in text
    assert "stride: [" not in text
    assert "size: [" not in text


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("1x9", "stem.kernel=[1, 9]"),
        ("'3 x 3'", "stem.kernel=3"),
        ("[1, 9, 1]", "such as [1, 9]"),
        ("[]", "such as [1, 9]"),
        ("[7]", "stem.kernel=7"),
        ("'7'", "stem.kernel=7"),
        ("0", "stem.kernel=1"),
        ("[1, -9]", "stem.kernel=1"),
        ("[0, 9]", "stem.kernel=[1, 9]"),
        ("3.0", "stem.kernel=3"),
        ("2.5", "such as [1, 9]"),
        ("true", "such as [1, 9]"),
        ("[true, 3]", "such as [1, 9]"),
        ("[1, wide]", "such as [1, 9]"),
        ("{height: 1}", "such as [1, 9]"),
        ("null", "such as [1, 9]"),
        (str(1 << 31), f"stem.kernel={(1 << 31) - 1}"),
    ],
)
def test_any_other_value_gets_one_message(value: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        specs.load("resnet20", [f"stem.kernel={value}"])
    assert caught.value.expected == "a whole number from 1, or two as [height, width]"
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert not caught.value.others


def test_the_schema_takes_what_the_loader_takes() -> None:
    schema = specs.json_schema("architecture")
    validator = jsonschema.Draft202012Validator(schema)
    mapping = specs.to_mapping(specs.load("resnet20"))
    for value, right in (
        (3, True),
        ([1, 9], True),
        ([1], False),
        ([1, 9, 1], False),
        ([0, 9], False),
        ("1x9", False),
        (0, False),
    ):
        changed = json.loads(json.dumps(mapping)) | {"stem": {"kernel": value}}
        assert validator.is_valid(changed) is right, value


def test_words_for_sizes() -> None:
    assert (axes(3), axes((1, 9))) == ((3, 3), (1, 9))
    assert (times(3), times((1, 9))) == ("3x3", "1x9")
    assert (short(2), short((1, 2))) == ("2", "1x2")
