"""Export targets: what the shipped files say, and which values make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.spec import from_mapping, load_target, names_of, to_mapping
from reszoo.spec.target import SizeLimits, Target
from reszoo.tflite.micro_operators import MICRO_OPERATORS

BOTH = ("saved_model", "tflite")
INTEGER = (
    *("microcontroller", "microcontroller-64k", "microcontroller-128k"),
    *("microcontroller-256k", "microcontroller-512k", "ethos-u55", "ethos-u65", "ethos-u85"),
)
SHIPPED = {
    "server": (("saved_model",), "float32", "float32", "none"),
    "server-cpu": (("saved_model",), "float32", "float32", "none"),
    "onnx": (("onnx",), "float32", "float32", "none"),
    "mobile-float32": (BOTH, "float32", "float32", "none"),
    "mobile-float16": (BOTH, "float32", "float32", "float16"),
    "mobile-dynamic": (BOTH, "float32", "float32", "dynamic"),
    "mobile-int8": (BOTH, "uint8", "float32", "int8"),
} | dict.fromkeys(INTEGER, (BOTH, "int8", "int8", "int8"))


VELA = {
    "accelerator": "ethos-u55-128",
    "memory_mode": "Shared_Sram",
    "system_config": "Ethos_U55_High_End_Embedded",
}


@pytest.fixture(scope="module")
def targets() -> dict[str, Target]:
    return {name: load_target(name) for name in names_of("target")}


def test_shipped_targets(targets: dict[str, Target]) -> None:
    assert {
        name: (target.writes, target.input, target.output, target.quantization)
        for name, target in targets.items()
    } == SHIPPED
    assert {name for name, target in targets.items() if target.folded != "none"} == {"server-cpu"}
    assert targets["server-cpu"].folded == "bfloat16"
    assert targets["mobile-int8"].calibration.images == 100
    assert targets["mobile-int8"].gate.min_agreement == 0.95
    assert all(target.title and target.source for target in targets.values())
    assert all(target.batch == 1 for target in targets.values())


def test_files_for_phones_carry_metadata(targets: dict[str, Target]) -> None:
    names = {name for name, target in targets.items() if target.metadata}
    assert names == {name for name in targets if name.startswith("mobile-")}


def test_microcontrollers_differ_in_the_arena_only(targets: dict[str, Target]) -> None:
    base = targets["microcontroller"]
    assert base.memory_plan and base.limits.arena_bytes is None
    for kib in (64, 128, 256, 512):
        sized = targets[f"microcontroller-{kib}k"]
        assert sized.limits == SizeLimits(arena_bytes=1024 * kib)
        same = {"name", "title", "source", "limits"}
        assert sized.model_dump(exclude=same) == base.model_dump(exclude=same)


def test_operators_of_microcontrollers_are_those_of_tflite_micro(
    targets: dict[str, Target],
) -> None:
    assert set(targets["microcontroller"].operators or ()) <= MICRO_OPERATORS


def test_npus_name_their_accelerator(targets: dict[str, Target]) -> None:
    found = {name: each.vela.accelerator for name, each in targets.items() if each.vela}
    assert found == {
        "ethos-u55": "ethos-u55-128",
        "ethos-u65": "ethos-u65-256",
        "ethos-u85": "ethos-u85-256",
    }


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
        ({"writes": ["onxx"]}, "writes"),
        ({"calibration": {"images": 0}}, "calibration.images"),
        ({"gate": {"min_agreement": 1.5}}, "gate.min_agreement"),
        ({"gaet": {}}, "gaet"),
        ({"quantization": "int8", "writes": ["saved_model"]}, "tflite"),
        ({"output": "uint8"}, "int8"),
        ({"output": "int8"}, "int8"),
        ({"input": "int8", "quantization": "float16"}, "int8"),
        ({"input": "uint8", "quantization": "int16x8"}, "int16x8"),
        ({"quantization": "float16", "writes": ["saved_model"]}, "tflite"),
        ({"memory_plan": True, "writes": ["saved_model"]}, "memory_plan"),
        ({"limits": {"arena_bytes": 9}, "writes": ["saved_model"]}, "limits"),
        ({"limits": {"arena_bytes": 0}}, "limits.arena_bytes"),
        ({"limits": {"latency_ms": 3}}, "latency_ms"),
        ({"operators": []}, "operators"),
        ({"operators": ["conv2d"]}, "operators"),
        ({"operators": ["CONV_2D"], "quantization": "int8", "input": "uint8"}, "QUANTIZE"),
        ({"operators": ["QUANTIZE"], "quantization": "int8", "input": "uint8"}, "DEQUANTIZE"),
        ({"operators": ["CONV_2D"], "quantization": "float16"}, "DEQUANTIZE"),
        ({"operators": ["CONV_2D"], "input": "uint8"}, "CAST"),
        ({"vela": {"accelerator": "ethos-n78"}}, "vela.accelerator"),
        ({"vela": {"accelerator": "ethos-u55-2048"}}, "vela.accelerator"),
        ({"vela": VELA}, "quantization: int8"),
        ({"vela": VELA, "writes": ["saved_model"]}, "vela"),
    ],
)
def test_impossible_targets_are_refused_by_name(change: dict, named: str) -> None:
    with pytest.raises(UserError) as refused:
        from_mapping({"name": "mine", **change}, kind="target")
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("extends: mobile-float32\ninput: int8\n", "input cannot be 'int8'", 3),
        ("extends: mobile-dynamic\noutput: uint8\n", "output cannot be 'uint8'", 3),
        ("extends: server\nmemory_plan: true\n", "memory_plan cannot be true", 3),
        ("writes: [onnx]\nquantization: int8\n", "quantization cannot be 'int8'", 3),
        ("extends: microcontroller\noutput: float32\n", "output cannot be 'float32'", 3),
        ("extends: microcontroller\nquantization: none\n", "quantization cannot be 'none'", 3),
        ("extends: mobile-int8\nwrites: [onnx]\n", "writes cannot be ['onnx']", 3),
        ("extends: mobile-int8\noperators: [ADD]\n", "operators cannot be ['ADD']", 3),
    ],
)
def test_a_rule_on_two_fields_points_at_the_one_in_the_file(
    tmp_path: Path, text: str, what: str, line: int
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\n{text}")
    with pytest.raises(UserError) as refused:
        load_target(file)
    assert refused.value.what == what
    assert f"mine.yaml:{line}:" in str(refused.value.where)


def test_a_rule_on_two_fields_points_at_the_one_that_was_set(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nextends: server\noperators: [CONV_2D]\nwrites: [tflite]\n")
    with pytest.raises(UserError, match="quantization cannot be 'float16'") as refused:
        load_target(file, ["quantization=float16"])
    assert str(refused.value.where) == "--set quantization=float16"


def test_an_operator_that_is_always_needed_is_replaced_only_where_the_target_can() -> None:
    with pytest.raises(UserError) as refused:
        load_target("mobile-float32", ["quantization=int16x8", "operators=[CONV_2D]"])
    assert refused.value.hint == "add QUANTIZE to operators"


def test_smallest_target_is_a_name() -> None:
    assert from_mapping({"name": "mine"}, kind="target") == Target(name="mine")
