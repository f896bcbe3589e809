"""Files that the runtime would crash on, or run without an answer, end in one error."""

from __future__ import annotations

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.tflite.interpreter import TFLiteInterpreter
from tests.tflite.handmade import Tensor, write_tflite

IMAGE = Tensor((1, 4, 4, 1), "FLOAT32", name="image")
ANSWER = Tensor((1, 4, 4, 1), "FLOAT32", name="answer")
NAN = Tensor((1, 4, 4, 1), "INT8", scale=float("nan"), name="broken")
PIXELS = np.zeros((4, 4, 1), np.uint8)


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (([IMAGE, ANSWER], [("RELU", [0], [1])], [], [1]), "0 inputs and 1 outputs"),
        (([IMAGE, ANSWER], [("RELU", [0], [1])], [0], []), "1 inputs and 0 outputs"),
        (([IMAGE, ANSWER], [], [0], [1]), "data is null"),
        (([IMAGE, NAN], [("QUANTIZE", [0], [1])], [0], [1]), "'broken' has a scale"),
    ],
)
def test_a_file_without_an_answer_is_refused(tmp_path, file, found):
    path = tmp_path / "x.tflite"
    path.write_bytes(write_tflite(*file))
    with pytest.raises(UserError, match=r"x\.tflite") as refused:
        TFLiteInterpreter(path).invoke(PIXELS)
    assert found in str(refused.value.found)
    assert "\n" not in str(refused.value.found)


def test_a_whole_file_runs(tmp_path):
    path = tmp_path / "x.tflite"
    path.write_bytes(write_tflite([IMAGE, ANSWER], [("RELU", [0], [1])], [0], [1]))
    assert not TFLiteInterpreter(path).invoke(PIXELS).any()
