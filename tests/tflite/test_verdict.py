"""A target's verdict on a file names everything that keeps the file from being its own."""

from __future__ import annotations

import pytest

from reszoo.spec import load_target
from reszoo.tflite.model_file import read_model
from reszoo.tflite.verdict import judge
from tests.tflite.handmade import Tensor, write_tflite

IMAGE = Tensor((1, 8, 8, 3), "FLOAT32")
ANSWER = Tensor((1, 10), "FLOAT32")
FLOAT = {
    "tensors": [IMAGE, ANSWER],
    "operators": [("SOFTMAX", (0,), (1,))],
    "inputs": (0,),
    "outputs": (1,),
}


def problems(target: str, **parts: object) -> tuple[str, ...]:
    return judge(read_model(write_tflite(**FLOAT | parts)), load_target(target)).texts


def test_the_exported_int8_file_is_that_of_its_target_only(digits_file):
    model = read_model(digits_file)
    assert judge(model, load_target("mobile-int8")).fits
    assert judge(model, load_target("mobile-float32")).texts == (
        "the input is uint8, not float32",
        "weights in int8, not float32",
    )


def test_a_float_file_fits_a_float_target():
    assert problems("mobile-float32") == ()


@pytest.mark.parametrize(
    "target, parts, found",
    [
        ("server", {}, "the target writes no .tflite"),
        ("mobile-int8", {}, "the input is float32, not uint8"),
        ("mobile-int8", {}, "1 operator in float: SOFTMAX"),
        (
            "mobile-float32",
            {"tensors": [Tensor((1, 8, 8, 3), "FLOAT32", signature=(-1, 8, 8, 3)), ANSWER]},
            "the input has the shape (-1, 8, 8, 3), not (1, height, width, channels)",
        ),
        (
            "mobile-float32",
            {"tensors": [Tensor((1, 8, 8, 3), "FLOAT32", signature=(-1, 8, 8, 3)), ANSWER]},
            "1 tensor of a shape that is not fixed: t",
        ),
        (
            "mobile-float32",
            {"operators": [("FlexErf", (0,), (1,)), ("FlexErf", (1,), (1,))]},
            "2 operators that a plain runtime lacks: FlexErf",
        ),
        (
            "mobile-float32",
            {"operators": [("VAR_HANDLE", (), (1,))]},
            "1 variable in place of weights",
        ),
        (
            "mobile-float32",
            {"inputs": (0, 1)},
            "an image classifier has one input and one output, the file has 2 and 1",
        ),
        (
            "mobile-int8",
            {"tensors": [Tensor((1, 8, 8, 3), "UINT8", scale=0.92, zero_point=3), ANSWER]},
            "the input does not take pixels as they are: scale 0.92, zero point 3, not 1 and 0",
        ),
    ],
)
def test_a_problem_is_named(target, parts, found):
    assert found in problems(target, **parts)
