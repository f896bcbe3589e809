"""The summary of a `.tflite` fits a screen and hides nothing that a device would trip over."""

from __future__ import annotations

import json

import pytest

from reszoo.errors import UserError
from reszoo.report.inspection_summary import _metadata_json, inspection_json, inspection_text
from reszoo.tflite import arena
from reszoo.tflite.image_metadata import ModelNote, TensorNote
from reszoo.tflite.inspection import TFLiteInspection, inspect_file
from tests.tflite.handmade import Tensor, residual_blocks, write_tflite


@pytest.fixture
def inspected(tmp_path, monkeypatch):
    monkeypatch.setattr(arena, "measured_arena", lambda *_: None)

    def inspect(content: bytes) -> TFLiteInspection:
        file = tmp_path / "x.tflite"
        file.write_bytes(content)
        return inspect_file(file)

    return inspect


def test_a_long_network_has_at_most_48_bars_and_keeps_its_fullest_moment(inspected):
    inspection = inspected(residual_blocks(50))
    bars = [line for line in inspection_text(inspection).splitlines() if line.endswith("#")]
    assert len(inspection.operators) == 150
    assert len(bars) == 38  # four operators to a bar
    assert any(line.endswith("3,072  " + 40 * "#") for line in bars)
    assert len(inspection_json(inspection)["arena"]["live_bytes"]) == 151


def test_what_a_device_lacks_is_said(inspected):
    tensors = [
        Tensor((1, 4), "FLOAT32", signature=(-1, 4), name="image\x1b[31m"),
        Tensor((1, 4), "FLOAT32", name="answer"),
    ]
    operators = [("FlexErf", (0,), (1,)), ("GELU", (1,), (1,))]
    inspection = inspected(write_tflite(tensors, operators, (0,), (1,)))
    lines = inspection_text(inspection).splitlines()
    assert "FlexErf (custom)      1  float32    ?x4  1x4" in lines
    assert f"  {'custom':19}  FlexErf" in lines
    assert "  not in TFLite-Micro  FlexErf, GELU" in lines
    assert any("dynamic shapes" in line and r"image\x1b[31m" in line for line in lines)
    assert any("arena" in line and "unknown" in line for line in lines)
    facts = inspection_json(inspection)
    assert facts["arena"] is None
    assert facts["missing_in_tflite_micro"] == ["FlexErf", "GELU"]
    assert facts["inputs"][0]["shape"] == [-1, 4]
    json.dumps(facts, allow_nan=False)


def test_numbers_that_json_does_not_have_are_texts():
    image = TensorNote("image", "RGB", mean=(float("nan"),), std=(float("inf"),))
    (facts,) = _metadata_json(ModelNote("net", "a net", (image,), ()))["inputs"]
    assert (facts["mean"], facts["std"]) == (["nan"], ["inf"])


def test_a_scale_that_is_no_number_is_damage(inspected):
    tensors = [Tensor((1, 4), scale=float("nan")), Tensor((1, 4), scale=float("inf"))]
    with pytest.raises(UserError, match="is damaged"):
        inspected(write_tflite(tensors, [("RELU", (0,), (1,))], (0,), (1,)))
