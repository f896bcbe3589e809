"""onnxruntime answers as Keras does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reszoo.inference.trained import TrainedModel

from .conftest import keras_probabilities

pytestmark = pytest.mark.edge
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="needs onnxruntime: pip install reszoo[edge]"
)
pytest.importorskip("tf2onnx", reason="needs tf2onnx: pip install reszoo[onnx]")


@pytest.mark.parametrize("connection", ["residual", "highway"])
@pytest.mark.parametrize("batch", [1, 7])
def test_its_probabilities_are_those_of_keras(
    bundle_of: Callable[..., Path],
    net_of: Callable[[str], TrainedModel],
    test_images: np.ndarray,
    connection: str,
    batch: int,
) -> None:
    bundle = bundle_of("onnx", connection)
    entry = json.loads((bundle / "contract.json").read_text())["files"]["onnx"]
    session = onnxruntime.InferenceSession(
        bundle / entry["path"], providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_inputs()] == ["image"]
    assert [each.name for each in session.get_outputs()] == ["probabilities"]
    images = test_images[:batch]
    (found,) = session.run(["probabilities"], {"image": images.astype(np.float32)})
    expected = keras_probabilities(net_of(connection), images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
