"""Exact numbers of a network that TensorFlow converts on the spot."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from reszoo.report.inspection_summary import inspection_text
from reszoo.spec import from_mapping, load_target
from reszoo.tflite.image_metadata import put_image_metadata
from reszoo.tflite.inspection import TFLiteInspection, inspect_file

SPEC = {
    "name": "gated",
    "input": {"shape": [8, 8, 3], "mean": 128, "std": 128},
    "stem": {"filters": 4, "kernel": 3},
    "block": {"transform": "basic", "connection": "highway"},
    "stages": [{"depth": 1, "width": 4}],
    "classes": 5,
}
MAP = 4 * 8 * 8 * 4
"""Bytes of a feature map of 8 x 8 x 4 in float32."""


@pytest.fixture(scope="module")
def inspection(tmp_path_factory) -> TFLiteInspection:
    from reszoo.exporting.inference_graph import build_inference_graph
    from reszoo.exporting.tflite_converter import convert
    from reszoo.inference.trained import TrainedModel
    from reszoo.model.build import build

    folder: Path = tmp_path_factory.mktemp("converted")
    spec, target = from_mapping(SPEC), load_target("mobile-float32")
    labels = tuple("abcde")
    network = build_inference_graph(TrainedModel(build(spec, seed=1), spec, labels, None))
    content = convert(network, target, scratch=folder)
    file = folder / "gated.tflite"
    file.write_bytes(put_image_metadata(content, spec.name, "Of random weights.", 3, labels))
    return inspect_file(file, [target])


def test_operators(inspection):
    assert Counter(use.name for use in inspection.operators) == {
        # The stem, two of the block and its gate; normalization and gating share MUL and ADD.
        "CONV_2D": 4,
        "LOGISTIC": 1,
        "SUB": 1,
        "MUL": 2,
        "ADD": 2,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    }
    assert {use.precision for use in inspection.operators} == {"float32"}
    assert [each.name for each in inspection.unfused] == ["MUL"]


def test_weights(inspection):
    kernels = 9 * 3 * 4 + 3 * (9 * 4 * 4) + 4 * 5
    # Untrained, three convolutions share one vector of zeros, and the dense layer needs none.
    biases = 4 + 4
    constants = 3 + 3 + 2  # of the normalization, and the axes of the mean
    assert inspection.model.weight_bytes == 4 * (kernels + biases + constants)


def test_memory(inspection):
    # While LOGISTIC runs: x, H(x) - x, and the gate before and after it.
    assert inspection.plan.lower_bound == 4 * MAP
    assert inspection.plan.bytes == 4 * MAP
    fullest = inspection.live_bytes.index(4 * MAP) - 1
    assert inspection.operators[fullest].name == "LOGISTIC"


def test_metadata_and_verdict(inspection):
    assert inspection.metadata.inputs[0].color == "RGB"
    assert inspection.metadata.outputs[0].labels == tuple("abcde")
    assert [verdict.fits for verdict in inspection.verdicts] == [True]
    assert "5 labels: a, b, c, d, e" in inspection_text(inspection)
