"""A target's verdict on a file names everything that keeps the file from being its own."""

from __future__ import annotations

import pytest

from reszoo.spec import load_target
from reszoo.spec.target import Target
from reszoo.tflite.arena import arena_of
from reszoo.tflite.model_file import read_model
from reszoo.tflite.verdict import Verdict, judge
from tests.tflite.handmade import Tensor, write_tflite

IMAGE = Tensor((1, 8, 8, 3), "FLOAT32")
ANSWER = Tensor((1, 10), "FLOAT32")
FLOAT = {
    "tensors": [IMAGE, ANSWER],
    "operators": [("SOFTMAX", (0,), (1,))],
    "inputs": (0,),
    "outputs": (1,),
}
WEIGHTS = {"tensors": [IMAGE, ANSWER, Tensor((10, 1, 1, 3), "FLOAT32", data=bytes(120))]}


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
            "1 tensor with a dynamic shape: t",
        ),
        (
            "mobile-float32",
            {"operators": [("FlexErf", (0,), (1,)), ("FlexErf", (1,), (1,))]},
            "2 operators that a plain runtime lacks: FlexErf",
        ),
        (
            "mobile-float32",
            {"operators": [("VAR_HANDLE", (), (1,))]},
            "1 variable instead of constant weights",
        ),
        (
            "mobile-float32",
            {"inputs": (0, 1)},
            "an image classifier has one input and one output; the file has 2 and 1",
        ),
        (
            "mobile-float16",
            {"operators": [("CONV_2D", (0, 2), (1,))], **WEIGHTS},
            "all weights are in float32, none in float16",
        ),
        (
            "microcontroller",
            {"operators": [("GELU", (0,), (1,))]},
            "the target lacks the operator GELU",
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


def judged(target: Target, **parts: object) -> Verdict:
    return judge(read_model(write_tflite(**FLOAT | parts)), target)


def test_an_operator_that_the_target_lacks_is_named_with_its_tensor_and_a_replacement():
    target = load_target("mobile-float32", ["operators=[SOFTMAX]"])
    assert judged(target).fits
    (problem,) = judged(target, operators=[("ELU", (0,), (1,))]).problems
    assert problem.text == "the target lacks the operator ELU"
    assert "relu" in problem.hint
    assert problem.tensor == "t"


def test_a_misspelled_operator_of_a_target_is_a_problem():
    target = load_target("mobile-float32", ["operators=[SOFTMAX, CONV2D]"])
    (problem,) = judged(target).problems
    assert "CONV2D" in problem.text and problem.hint == "write CONV_2D"


def test_limits_name_the_excess():
    size = len(write_tflite(**FLOAT))
    target = load_target("mobile-float32", [f"limits.file_bytes={size - 1}"])
    assert judged(target).texts == (f"the file takes {size:,} bytes of {size - 1:,}: 1 too many",)
    assert judged(load_target("mobile-float32", [f"limits.file_bytes={size}"])).fits
    arena = arena_of(read_model(write_tflite(**FLOAT))).bytes
    target = load_target("mobile-float32", [f"limits.arena_bytes={arena - 1}"])
    assert judged(target).texts == (
        f"the arena takes {arena:,} bytes of {arena - 1:,}: 1 too many",
    )


def test_multiply_adds_of_a_file_are_those_of_its_plan():
    """A 1x1 convolution to 10 channels of an 8x8x3 image: 8 * 8 * 10 * 3 products."""
    answer = Tensor((1, 8, 8, 10), "FLOAT32")
    weights = WEIGHTS["tensors"][2]
    parts = {"tensors": [IMAGE, answer, weights], "operators": [("CONV_2D", (0, 2), (1,))]}
    target = load_target("mobile-float32", ["limits.macs=1919"])
    assert "1,920 multiply-adds of 1,919: 1 too many" in judged(target, **parts).texts[0]
