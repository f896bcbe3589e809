"""The `.tflite` of each target: precision, metadata, memory plan, what it gives for an image."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reszoo.data import ImageData
from reszoo.errors import GateError, UserError
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.exporting.tflite_file import refuse_other_content
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.spec import load, load_target
from reszoo.tflite.image_metadata import read_metadata
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.memory_plan import stored_plan
from reszoo.tflite.model_file import load_model_file
from reszoo.tflite.operators import weights_dtype
from reszoo.tflite.verdict import judge

BundleOf = Callable[[str, str], Bundle]


@pytest.mark.parametrize(
    ("target", "weights"), [("mobile-float16", "float16"), ("mobile-dynamic", "int8")]
)
def test_weights_are_reduced_and_ends_stay_float(
    bundle_of: BundleOf, target: str, weights: str
) -> None:
    bundle = bundle_of("residual", target)
    model = load_model_file(bundle.tflite)
    graph = model.main
    dtypes = {weights_dtype(graph, operator) for operator in graph.operators} - {None}
    assert weights in dtypes <= {weights, "float32"}
    assert (
        graph.tensors[graph.inputs[0]].dtype == graph.tensors[graph.outputs[0]].dtype == "FLOAT32"
    )
    assert bundle.gate == "passed"
    assert bundle.contract["files"]["tflite"]["precision"] == load_target(target).quantization
    assert judge(model, load_target(target)).fits


def test_int16x8_keeps_activations_of_sixteen_bits(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    target = load_target("mobile-float32", ["quantization=int16x8", "gate.images=100"])
    bundle = export(nets["residual"], target, out=tmp_path / "bundle", data=data)
    graph = load_model_file(bundle.tflite).main
    outputs = {graph.tensors[each.outputs[0]].dtype for each in graph.operators}
    assert outputs <= {"INT16", "FLOAT32"} and "INT16" in outputs
    assert bundle.parity.comparison("tflite").arithmetic == "int16x8"
    assert bundle.parity.comparison("tflite").agreement >= 0.99


def test_phone_files_carry_labels_and_say_that_mediapipe_refuses_grey(bundle_of: BundleOf) -> None:
    bundle = bundle_of("residual", "mobile-int8")
    note = read_metadata(load_model_file(bundle.tflite))
    assert note.outputs[0].labels == tuple("0123456789")
    assert note.inputs[0].color == "grayscale"
    assert (note.inputs[0].mean, note.inputs[0].std) == ((0.0,), (1.0,))
    mediapipe = bundle.contract["files"]["tflite"]["mediapipe"]
    assert mediapipe == {
        "opens": False,
        "why": "it takes images of three channels, not 1",
    }
    assert mediapipe["why"] in (bundle.path / "CARD.md").read_text()


def test_microcontroller_file_is_int8_at_both_ends_with_its_arena(bundle_of: BundleOf) -> None:
    bundle = bundle_of("highway", "microcontroller")
    model = load_model_file(bundle.tflite)
    graph = model.main
    assert {operator.name for operator in graph.operators}.isdisjoint({"QUANTIZE", "DEQUANTIZE"})
    entry = bundle.contract["files"]["tflite"]
    (source,), (answer,) = entry["inputs"], entry["outputs"]
    assert (source["dtype"], source["formula"]) == ("int8", "input = pixel - 128")
    assert answer["formula"] == "probability = (output + 128) * 0.00390625"
    arena = entry["arena"]
    assert arena["bytes"] == arena["feature_map_bytes"] + arena["own_bytes"]
    assert arena["lower_bound_bytes"] <= arena["feature_map_bytes"] <= arena["tflite_micro_bytes"]
    saves = arena["feature_map_bytes"] < arena["tflite_micro_bytes"]
    assert (stored_plan(model) is not None) == saves
    assert f"{arena['bytes']:,} bytes in TFLite-Micro" in (bundle.path / "CARD.md").read_text()


def test_a_file_without_a_plan_says_nothing_of_an_arena(bundle_of: BundleOf) -> None:
    assert "arena" not in bundle_of("residual", "mobile-int8").contract["files"]["tflite"]


@pytest.mark.parametrize("target", ["mobile-int8", "mobile-float32", "microcontroller"])
def test_golden_vectors_are_what_the_file_gives(bundle_of: BundleOf, target: str) -> None:
    bundle = bundle_of("residual", target)
    vectors = bundle.contract["example"]["vectors"]["tflite"]
    given = np.load(bundle.path / vectors["input"])
    answer = np.load(bundle.path / vectors["output"])
    interpreter = TFLiteInterpreter(bundle.tflite, kernels=vectors["kernels"])
    assert (given.dtype, answer.dtype) == (interpreter.input["dtype"], interpreter.output["dtype"])
    assert vectors["kernels"] == ("reference" if target == "microcontroller" else "fast")
    assert vectors["tolerance"] == (1e-5 if target == "mobile-float32" else _tolerance(target))
    runner = interpreter._interpreter
    runner.set_tensor(interpreter.input["index"], given)
    runner.invoke()
    again = runner.get_tensor(interpreter.output["index"])
    np.testing.assert_array_equal(again, answer)
    expected = bundle.contract["example"]["expected"]["tflite"]
    assert int(again.argmax()) == expected["class"]


def _tolerance(target: str) -> float:
    # Steps where the output is an integer, a probability where the file dequantizes it.
    return 2 if target == "microcontroller" else 2 / 256


def test_c_header_holds_the_golden_vectors(bundle_of: BundleOf) -> None:
    bundle = bundle_of("residual", "microcontroller")
    vectors = bundle.contract["example"]["vectors"]["tflite"]
    text = (bundle.path / vectors["c"]).read_text()
    for name in ("input", "output"):
        values = np.load(bundle.path / vectors[name]).ravel()
        found = re.search(rf"int8_t golden_{name}\[(\d+)\] = \{{(.*?)\}};", text, re.DOTALL)
        assert int(found[1]) == len(values)
        assert [int(number) for number in found[2].split(",")] == values.tolist()


def test_an_arena_that_is_too_small_names_the_stage_and_what_fits(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path, bundle_of: BundleOf
) -> None:
    old = bundle_of("residual", "microcontroller")
    copy = shutil.copytree(old.path, tmp_path / "bundle")
    before = (copy / "model.tflite").read_bytes()
    arena = old.contract["files"]["tflite"]["arena"]["bytes"]
    target = load_target("microcontroller", [f"limits.arena_bytes={arena - 1}"])
    with pytest.raises(UserError, match="too large for the target microcontroller") as refused:
        export(nets["residual"], target, out=tmp_path / "bundle", data=data)
    assert f"{arena:,} bytes of {arena - 1:,}: 1 too many" in refused.value.found
    assert "shrink" in refused.value.hint
    # Nothing is half written, and the older bundle survives.
    assert (copy / "model.tflite").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_multiply_adds_are_refused_before_anything_is_converted(
    nets: dict[str, TrainedModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reszoo.exporting.tflite_file.convert", None)
    target = load_target("mobile-float32", ["limits.macs=1000"])
    with pytest.raises(UserError) as refused:
        export(nets["residual"], target, out=tmp_path / "bundle")
    assert re.search(r"multiply-adds of 1,000: [\d,]+ too many", refused.value.found)
    assert "stage" in refused.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # a device that lacks an operator shows it quickly, below
def test_an_operator_that_the_target_lacks_is_refused(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    target = load_target(
        "mobile-float32", ["operators=[CONV_2D, ADD, MUL, MEAN, FULLY_CONNECTED, PAD, SUB]"]
    )
    with pytest.raises(GateError) as refused:
        export(nets["residual"], target, out=tmp_path / "bundle", data=data)
    assert "the target lacks the operator SOFTMAX" in refused.value.found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "names",
    [
        ("class 0, of many", "猫", "собака", "كلب", "ñandú", "a\nb", *"6789"),
        pytest.param(
            tuple(f"class {number}, of many" for number in range(10)), marks=pytest.mark.slow
        ),
        pytest.param(
            ("猫", "собака", "كلب", "ñandú", "鳥", "魚", "馬", "牛", "羊", "龍"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_labels_of_any_language_and_with_commas_and_line_breaks(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path, names: tuple[str, ...]
) -> None:
    net = replace(nets["residual"], classes=names)
    bundle = export(net, "mobile-float32", out=tmp_path / "bundle")
    labels = read_metadata(load_model_file(bundle.tflite)).outputs[0].labels
    assert labels == tuple(name.replace("\n", " ") for name in names)
    assert bundle.labels.read_text(encoding="utf-8").splitlines() == list(labels)
    contract = json.loads((bundle.path / "contract.json").read_text(encoding="utf-8"))
    assert contract["classes"]["names"] == list(names)


def test_an_operator_that_a_device_lacks_is_named_with_its_layer(
    data: ImageData, tmp_path: Path
) -> None:
    spec = load("resnet8_digits", ["activation=elu"])
    with pytest.raises(GateError) as refused:
        export(build(spec), load_target("microcontroller"), out=tmp_path / "x", data=data)
    # The conversions around it are no cause.
    assert refused.value.found.startswith("the target lacks the operator ELU")
    assert refused.value.where == "the layer stem_activation"
    assert "relu, relu6 or silu" in refused.value.hint
    assert "output: int8" not in refused.value.hint
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("names", [",", "stem_conv,", "a,,b"])
def test_an_empty_name_of_a_layer_to_keep_in_float_is_refused(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path, names: str
) -> None:
    with pytest.raises(UserError, match="keep_float cannot be"):
        export(nets["residual"], "mobile-int8", out=tmp_path / "x", data=data, keep_float=names)


def test_every_operator_that_a_device_lacks_is_named_with_its_place() -> None:
    model = load_model_file(Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle")
    names = {operator.name for operator in model.main.operators} - {"PAD", "MEAN"}
    target = load_target("mobile-int8", [f"operators=[{', '.join(sorted(names))}]"])
    layers = ["stage2_block1_shortcut_pad", "head_pool"]
    with pytest.raises(GateError) as refused:
        refuse_other_content(model, target, layers=layers)
    lacks = "the target lacks the operator"
    assert refused.value.found == f"{lacks} PAD; {lacks} MEAN (the layer head_pool)"
    assert refused.value.where == "the layer stage2_block1_shortcut_pad"
    assert "`shortcut: projection`" in refused.value.hint


def test_an_operator_that_tflite_does_not_have_is_refused_first(tmp_path: Path) -> None:
    target = load_target("mobile-float32", ["operators=[CONV2D]"])
    with pytest.raises(UserError, match="operator CONV2D, which TFLite does not have") as refused:
        export(tmp_path / "no such run", target)
    assert refused.value.hint == "write CONV_2D"
