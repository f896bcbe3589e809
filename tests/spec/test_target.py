"""Export targets: what the shipped files say, and which values make no sense."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.spec import from_mapping, load_target, names_of, to_mapping
from reszoo.spec.target import Target


def test_shipped_targets() -> None:
    targets = {name: load_target(name) for name in names_of("target")}
    assert {
        name: (target.writes, target.input, target.output, target.quantization, target.batch)
        for name, target in targets.items()
    } == {
        "server": (("saved_model",), "float32", "float32", "none", 1),
        "server-cpu": (("saved_model",), "float32", "float32", "none", 1),
        "mobile-float32": (("saved_model", "tflite"), "float32", "float32", "none", 1),
        "mobile-int8": (("saved_model", "tflite"), "uint8", "float32", "int8", 1),
    }
    assert {name for name, target in targets.items() if target.folded != "none"} == {"server-cpu"}
    assert targets["server-cpu"].folded == "bfloat16"
    assert targets["mobile-int8"].calibration.images == 100
    assert targets["mobile-int8"].gate.min_agreement == 0.95
    assert all(target.title and target.source for target in targets.values())


def test_full_text_of_a_target_loads_back_to_an_equal_value() -> None:
    target = load_target("mobile-int8", ["gate.images=7"])
    assert target.gate.images == 7
    assert from_mapping(to_mapping(target), kind="target") == target


def test_mobile_int8_compares_on_the_whole_test_split() -> None:
    target = load_target("mobile-int8")
    assert target.gate.images == "all"
    assert from_mapping(to_mapping(target), kind="target") == target
    with pytest.raises(UserError, match=r"gate\.images cannot be 'most'") as refused:
        load_target("mobile-int8", ["gate.images=most"])
    assert refused.value.expected == "a whole number or all"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quantization": "int7"}, "quantization"),
        ({"input": "int64"}, "input"),
        ({"batch": 8}, "batch"),
        ({"writes": []}, "writes"),
        ({"writes": ["onnx"]}, "writes"),
        ({"calibration": {"images": 0}}, "calibration.images"),
        ({"gate": {"min_agreement": 1.5}}, "gate.min_agreement"),
        ({"gaet": {}}, "gaet"),
        ({"quantization": "int8", "writes": ["saved_model"]}, "tflite"),
        ({"output": "uint8"}, "int8"),
    ],
)
def test_impossible_targets_are_refused_by_name(change: dict, named: str) -> None:
    with pytest.raises(UserError) as refused:
        from_mapping({"name": "mine", **change}, kind="target")
    assert named in str(refused.value)


def test_smallest_target_is_a_name() -> None:
    assert from_mapping({"name": "mine"}, kind="target") == Target(name="mine")
