"""A bundle beyond its limits is not written, and the report names the first divergent layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import ImageData
from reszoo.errors import GateError
from reszoo.exporting.export import export
from reszoo.exporting.inference_graph import InferenceGraph, build_inference_graph
from reszoo.exporting.tflite_file import refuse_lost_weights, refuse_other_content
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.spec import load_target
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.model_file import read_model

from .conftest import small_net


def sabotaged(trained: TrainedModel, layer: str, factor: float) -> InferenceGraph:
    """The network with one layer's kernel multiplied on its way into the files."""
    network = build_inference_graph(trained)
    kernel = network.model.get_layer(layer).kernel
    kernel.assign(kernel * factor)
    return network


@pytest.fixture
def sabotage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "reszoo.exporting.export.build_inference_graph",
        lambda trained: sabotaged(trained, "stage2_block1_conv1", 1.5),
    )


@pytest.mark.usefixtures("sabotage")
@pytest.mark.parametrize(
    ("net", "target"),
    [
        ("highway", "mobile-int8"),
        pytest.param("residual", "mobile-float32", marks=pytest.mark.slow),
    ],
)
def test_changed_weights_are_refused_with_the_first_divergent_layer(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path, net: str, target: str
) -> None:
    with pytest.raises(GateError) as refused:
        export(nets[net], target, out=tmp_path / "bundle", data=data)
    # The convolution, its normalisation and its ReLU are one operator; the last names it.
    assert "it begins in stage2_block1_activation1 (computed with stage2_block1_conv1" in str(
        refused.value
    )
    assert "limit" in refused.value.found
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.parity.md"]
    report = (tmp_path / "bundle.parity.md").read_text()
    assert "DISAGREES" in report
    assert "It begins in stage2_block1_activation1" in report


@pytest.mark.usefixtures("sabotage")
def test_without_the_gate_the_contract_records_the_failure(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    bundle = export(
        nets["residual"], "mobile-float32", out=tmp_path / "bundle", data=data, gate=False
    )
    assert bundle.gate == "failed"
    assert json.loads((bundle.path / "contract.json").read_text())["gate"] == "failed"
    assert not bundle.parity.passed
    assert bundle.parity.first_divergent.layer == "stage2_block1_activation1"
    assert json.loads((bundle.path / "parity.json").read_text())["begins"]["fused"] == [
        "stage2_block1_conv1",
        "stage2_block1_norm1",
        "stage2_block1_activation1",
    ]


@pytest.mark.slow  # a bundle that replaces a bundle shows it quickly
def test_a_later_success_removes_the_report_of_a_refusal(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    (tmp_path / "bundle.parity.md").write_text("of an earlier try")
    export(nets["residual"], "server", out=tmp_path / "bundle", data=data)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_untrained_network_that_agrees_with_itself_is_refused_in_int8(
    data: ImageData, tmp_path: Path
) -> None:
    net = small_net("residual")
    # Always the same class: every file of this network agrees with it, and none is worth writing.
    net.model.layers[-1].bias.assign(np.eye(10)[3] * 100)
    with pytest.raises(GateError, match="always guessing") as refused:
        export(net, "mobile-int8", out=tmp_path / "bundle", data=data)
    assert "same first class" not in refused.value.found
    assert refused.value.where is None
    assert "GUESSES" in (tmp_path / "bundle.parity.md").read_text()


@pytest.mark.slow
def test_untrained_network_is_refused_in_int8(data: ImageData, tmp_path: Path) -> None:
    net = small_net("residual")
    # Tiny weights in the head: every class is as likely as any other.
    head = net.model.layers[-1]
    head.kernel.assign(head.kernel * 1e-3)
    with pytest.raises(GateError, match="same first class"):
        export(net, "mobile-int8", out=tmp_path / "bundle", data=data)


def test_mixed_precision_model_is_exported_in_float32(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    net = nets["residual"]
    low = build(net.spec, dtype="mixed_bfloat16")
    copy_weights(net.model, low)
    bundle = export(replace(net, model=low), "server", out=tmp_path / "bundle", data=data)
    assert bundle.gate == "passed"
    assert "rebuilt from the spec" in bundle.report.read_text()


def test_file_without_weights_is_detected(nets: dict[str, TrainedModel]) -> None:
    """The trap itself: a concrete function of a Keras 3 model converts without its weights."""
    model = nets["residual"].model
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        tf.TensorSpec((1, 8, 8, 1), tf.float32)
    )
    content = tf.lite.TFLiteConverter.from_concrete_functions([function], model).convert()
    with pytest.raises(GateError, match="lost the weights"):
        refuse_lost_weights(
            read_model(content), 4 * model.count_params(), load_target("mobile-float32")
        )


def converted(layer: keras.layers.Layer, batch: int | None = 1) -> TFLiteModel:
    function = tf.function(lambda image: layer(image)).get_concrete_function(
        tf.TensorSpec((batch, 4, 4, 2), tf.float32)
    )
    return read_model(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())


def test_file_of_a_free_batch_or_with_float_inside_is_detected() -> None:
    target = load_target("mobile-float32")
    relu = converted(keras.layers.ReLU())
    refuse_other_content(relu, target)
    refuse_lost_weights(relu, 0, target)
    with pytest.raises(GateError) as refused:
        refuse_other_content(converted(keras.layers.ReLU(), batch=None), target)
    assert "dynamic shape" in refused.value.found
    with pytest.raises(GateError) as refused:
        refuse_other_content(relu, load_target("mobile-int8"))
    assert "1 operator in float: RELU" in refused.value.found
    with pytest.raises(GateError, match="lost the weights"):
        refuse_lost_weights(relu, 100_000, target)
