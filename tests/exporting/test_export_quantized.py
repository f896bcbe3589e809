"""A network trained for int8 is exported with its own ranges, without calibration."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reszoo.data import ImageData
from reszoo.errors import GateError, UserError
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.exporting.learned_ranges import check_learned_ranges
from reszoo.inference.trained import TrainedModel, load_trained
from reszoo.runs import Run
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.model_file import load_model_file, read_model
from reszoo.training.train import train

from .conftest import TEST, TRAINING, digits

KINDS = ("residual", pytest.param("highway", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def run_of(
    nets: dict[str, TrainedModel], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Run]:
    """Returns a small network after an epoch of quantization-aware training."""
    folder = tmp_path_factory.mktemp("quantized")
    images, labels = digits()
    data = {"train": (images[TRAINING], labels[TRAINING]), "test": (images[TEST], labels[TEST])}
    words: dict[str, Any] = {"quantize": "int8", "epochs": 1, "quiet": True, "test": False}

    @functools.cache
    def run(net: str) -> Run:
        return train(start=nets[net], data=data, out=folder / net, **words)

    return run


@pytest.fixture(scope="module")
def quantized(
    run_of: Callable[[str], Run], data: ImageData, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Bundle]:
    """Returns the bundle of such a network."""
    folder = tmp_path_factory.mktemp("bundles")

    @functools.cache
    def bundle(net: str) -> Bundle:
        return export(run_of(net), "mobile-int8", data=data, out=folder / net)

    return bundle


def accuracy(probabilities: np.ndarray) -> float:
    return float(np.mean(probabilities.argmax(-1) == digits()[1][TEST]))


@pytest.mark.parametrize("net", KINDS)
def test_file_answers_as_the_network_it_was_trained_as(net, run_of, quantized):
    images = digits()[0][TEST]
    expected = np.asarray(load_trained(run_of(net)).model(images, training=False))
    found = TFLiteInterpreter(quantized(net).tflite).probabilities(images)
    assert np.mean(expected.argmax(-1) == found.argmax(-1)) >= 0.99


@pytest.mark.parametrize("net", KINDS)
def test_no_calibration_and_the_operators_of_post_training_quantization(net, quantized, bundle_of):
    assert quantized(net).parity.calibration is None
    ours, theirs = (
        [operator.name for operator in load_model_file(bundle.tflite).main.operators]
        for bundle in (quantized(net), bundle_of(net, "mobile-int8"))
    )
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("net", KINDS)
def test_every_learned_range_is_in_the_file(net, run_of, quantized):
    content = quantized(net).tflite.read_bytes()
    model = load_trained(run_of(net)).model
    check_learned_ranges(read_model(content), model)
    layer = model.get_layer("stem_activation_range")
    layer.high.assign(layer.high * (1 + 3e-6))
    with pytest.raises(GateError, match="ranges that the network learned") as refused:
        check_learned_ranges(read_model(content), model)
    assert refused.value.where == "stem_activation_range"


def test_layers_of_a_quantized_run_cannot_stay_in_float(run_of, data, tmp_path):
    with pytest.raises(UserError, match="none of its layers can stay in float"):
        export(
            run_of("residual"),
            "mobile-int8",
            out=tmp_path / "bundle",
            data=data,
            keep_float="auto",
        )
    assert not list(tmp_path.iterdir())


def test_post_training_quantization_does_not_pass_the_guard(run_of, bundle_of):
    content = bundle_of("residual", "mobile-int8").tflite.read_bytes()
    with pytest.raises(GateError, match="ranges that the network learned"):
        check_learned_ranges(read_model(content), load_trained(run_of("residual")).model)


@pytest.mark.parametrize("net", KINDS)
def test_accuracy_is_not_below_post_training_quantization(net, quantized, bundle_of):
    images = digits()[0][TEST]
    ours, theirs = (
        accuracy(TFLiteInterpreter(bundle.tflite).probabilities(images))
        for bundle in (quantized(net), bundle_of(net, "mobile-int8"))
    )
    assert ours > theirs - 0.02


@pytest.mark.parametrize("target", ["mobile-int8", pytest.param("server", marks=pytest.mark.slow)])
def test_a_file_needs_no_data_and_a_server_takes_the_network_too(run_of, tmp_path: Path, target):
    assert export(run_of("residual").model_path, target, out=tmp_path / "out").gate == "passed"


@pytest.mark.parametrize("target", ["mobile-float32", "server-cpu"])
def test_other_precisions_are_refused(run_of, tmp_path: Path, target: str):
    with pytest.raises(UserError, match="was trained with --quantize int8") as refused:
        export(run_of("residual").model_path, target, out=tmp_path / "bundle")
    assert refused.value.hint
    assert not (tmp_path / "bundle").exists()
