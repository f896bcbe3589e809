"""OpenVINO reads the SavedModel and the .tflite files, and answers as Keras or LiteRT does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reszoo.inference.trained import TrainedModel
from reszoo.tflite.interpreter import TFLiteInterpreter

from .conftest import keras_probabilities

pytestmark = pytest.mark.edge
openvino = pytest.importorskip("openvino", reason="needs openvino: pip install reszoo[edge]")


def compiled(path: Path) -> Any:
    # Without the hint it computes in bfloat16 on processors that have it.
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def probabilities(path: Path, images: np.ndarray) -> np.ndarray:
    """Of a .tflite, image by image."""
    model = compiled(path)
    kind = np.uint8 if model.input(0).element_type == openvino.Type.u8 else np.float32
    return np.concatenate([model([image[None].astype(kind)])[0] for image in images])


@pytest.mark.parametrize(
    ("target", "tolerance"), [("mobile-float32", 1e-5), ("mobile-float16", 1e-3)]
)
@pytest.mark.parametrize("connection", ["residual", "highway"])
def test_a_float_file_gives_the_probabilities_of_keras(
    bundle_of: Callable[..., Path],
    net_of: Callable[[str], TrainedModel],
    test_images: np.ndarray,
    target: str,
    tolerance: float,
    connection: str,
) -> None:
    found = probabilities(bundle_of(target, connection) / "model.tflite", test_images)
    expected = keras_probabilities(net_of(connection), test_images)
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_the_savedmodel_gives_the_probabilities_of_keras(
    bundle_of: Callable[..., Path],
    net_of: Callable[[str], TrainedModel],
    test_images: np.ndarray,
) -> None:
    model = compiled(bundle_of("mobile-float32") / "saved_model")
    outputs = model({"image": test_images.astype(np.float32)})
    found = {name: value for key, value in outputs.items() for name in key.get_names()}
    expected = keras_probabilities(net_of("residual"), test_images)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize("connection", ["residual", "highway"])
def test_an_int8_file_gives_the_class_of_litert(
    bundle_of: Callable[..., Path], test_images: np.ndarray, connection: str
) -> None:
    file = bundle_of("mobile-int8", connection) / "model.tflite"
    found = probabilities(file, test_images).argmax(-1)
    expected = TFLiteInterpreter(file).probabilities(test_images).argmax(-1)
    assert (found == expected).mean() >= 0.98
