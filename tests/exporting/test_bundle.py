"""Contents of a bundle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest

from reszoo.data import ImageData, ImageFormat
from reszoo.data.pipeline.batches import batches
from reszoo.errors import UserError
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.inference.evaluate import evaluate
from reszoo.inference.trained import TrainedModel
from reszoo.model.saving import save_model
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.model_file import load_model_file
from reszoo.tflite.operators import dynamic_tensors

from .conftest import NETS

COMMON = {
    *("CARD.md", "contract.json", "golden.png", "labels.txt", "parity.json", "parity.md"),
    *("photo.jpg", "photo_input.png"),
}
EDGE = COMMON | {"saved_model", "model.tflite", "golden_input.npy", "golden_output.npy"}
FILES = {
    "server": COMMON | {"saved_model"},
    "server-cpu": COMMON | {"saved_model"},
    "mobile-float32": EDGE,
    "mobile-int8": EDGE,
}
BundleOf = Callable[[str, str], Bundle]


@pytest.mark.parametrize(
    ("net", "target"),
    [
        ("residual", "server"),
        ("highway", "server-cpu"),
        *product(NETS, ("mobile-float32", "mobile-int8")),
        pytest.param("highway", "server", marks=pytest.mark.slow),
        pytest.param("residual", "server-cpu", marks=pytest.mark.slow),
    ],
)
def test_bundle_holds_its_files_and_nothing_else(
    bundle_of: BundleOf, net: str, target: str
) -> None:
    bundle = bundle_of(net, target)
    assert {path.name for path in bundle.path.iterdir()} == FILES[target]
    assert bundle.labels.read_text().split() == list("0123456789")
    assert bundle.gate == bundle.contract["gate"] == "passed"
    assert bundle.contract == json.loads((bundle.path / "contract.json").read_text())
    assert bundle.contract["target"]["name"] == target
    assert not list(bundle.path.parent.glob(".*"))


@pytest.mark.parametrize("net", NETS)
def test_sizes_are_those_on_disk_and_int8_is_smaller(bundle_of: BundleOf, net: str) -> None:
    full, small = bundle_of(net, "mobile-float32"), bundle_of(net, "mobile-int8")
    for bundle in (full, small):
        assert bundle.tflite is not None and bundle.saved_model is not None
        assert bundle.tflite_bytes == bundle.tflite.stat().st_size
        files = [path for path in bundle.saved_model.rglob("*") if path.is_file()]
        assert bundle.saved_model_bytes == sum(path.stat().st_size for path in files)
    assert small.tflite_bytes < 0.6 * full.tflite_bytes


@pytest.mark.parametrize("net", NETS)
def test_int8_file_is_integer_inside_with_a_fixed_batch_and_pixels_as_they_are(
    bundle_of: BundleOf, net: str
) -> None:
    bundle = bundle_of(net, "mobile-int8")
    model = load_model_file(bundle.tflite)
    graph = model.main
    inside = [each for each in graph.operators if each.name != "DEQUANTIZE"]
    assert {graph.tensors[each.outputs[0]].dtype for each in inside} <= {"INT8", "INT32"}
    assert dynamic_tensors(model) == []
    interpreter = TFLiteInterpreter(bundle.tflite)
    assert interpreter.input["dtype"] is np.uint8
    assert interpreter.input["quantization"] == (pytest.approx(1.0, abs=1e-6), 0)
    assert interpreter.output["dtype"] is np.float32
    assert list(interpreter.input["shape_signature"]) == [1, 8, 8, 1]


def test_float_file_has_no_leftovers_of_training(bundle_of: BundleOf) -> None:
    model = load_model_file(bundle_of("residual", "mobile-float32").tflite)
    counts = Counter(operator.name for operator in model.main.operators)
    # stem, two convolutions in each of two blocks, one projection: every normalisation is folded.
    assert counts["CONV_2D"] == 6
    assert not {"RESHAPE", "SHAPE", "STRIDED_SLICE", "PACK", "VAR_HANDLE"} & set(counts)


@pytest.mark.parametrize("net", NETS)
def test_tflite_accuracy_on_the_whole_split_is_close_to_keras(
    bundle_of: BundleOf, nets: dict[str, TrainedModel], data: ImageData, net: str
) -> None:
    evaluation = evaluate(bundle_of(net, "mobile-int8").tflite, data)
    split = data.split("test")
    images = np.concatenate([x for x, _ in batches(split, ImageFormat(8, 8, 1), batch_size=360)])
    keras_accuracy = np.mean(np.argmax(nets[net].model(images), -1) == split.labels)
    assert evaluation.examples == 360
    assert keras_accuracy > 0.9
    assert evaluation.accuracy == pytest.approx(keras_accuracy, abs=0.01)


def test_bundle_of_a_keras_file_goes_into_the_current_folder(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    net = nets["residual"]
    save_model(net.model, "net.keras", spec=net.spec, classes=net.classes)
    bundle = export("net.keras", "server", data=data)
    assert bundle.path == Path("small-residual-server")
    # Again: a bundle replaces a bundle, and a success the report of a refusal.
    Path("small-residual-server.parity.md").write_text("of an earlier try")
    assert export("net.keras", "server", data=data).path.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "net.keras",
        "small-residual-server",
    ]


def test_float_bundle_without_data_is_compared_on_generated_images(
    nets: dict[str, TrainedModel], tmp_path: Path
) -> None:
    bundle = export(nets["highway"], "server", out=tmp_path / "bundle")
    assert "generated" in bundle.parity.source
    assert bundle.parity.comparison("saved_model").accuracy is None
    assert bundle.contract["example"]["label"] is None


def test_model_without_a_spec_is_exported_as_it_is(data: ImageData, tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
    bundle = export(keras.Model(inputs, outputs), "mobile-float32", out=tmp_path / "b", data=data)
    assert bundle.gate == "passed"
    assert bundle.contract["classes"]["names"] == list("0123456789")


def test_model_that_ends_in_a_softmax_is_refused(data: ImageData, tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(inputs))
    with pytest.raises(UserError, match="softmax"):
        export(keras.Model(inputs, outputs), "server", out=tmp_path / "b", data=data)


def test_data_of_other_classes_are_refused(nets: dict[str, TrainedModel], tmp_path: Path) -> None:
    images = np.zeros((20, 8, 8, 1), np.uint8)
    words = np.array(["cat", "dog"])[np.arange(20) % 2]
    with pytest.raises(UserError, match="different classes"):
        export(nets["residual"], "server", out=tmp_path / "b", data=(images, words))
    assert not any(tmp_path.iterdir())


def test_tflite_is_not_evaluated_on_data_of_other_classes(bundle_of: BundleOf) -> None:
    tflite = bundle_of("residual", "mobile-int8").tflite
    images = np.zeros((20, 8, 8, 1), np.uint8)
    words = np.array(["cat", "dog"])[np.arange(20) % 2]
    with pytest.raises(UserError, match="different classes"):
        evaluate(tflite, (images, words), split="train")
