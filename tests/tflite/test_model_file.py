"""A `.tflite` is read as TensorFlow's own classes read it, and its numbers are counted right."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from ai_edge_litert import schema_py_generated as schema

from reszoo.errors import UserError
from reszoo.tflite.model_file import find_model_file, load_model_file, read_model
from reszoo.tflite.operators import (
    dynamic_tensors,
    float_operators,
    missing_in_micro,
    operator_uses,
    unfused_operators,
)
from tests.tflite.conftest import BUNDLE
from tests.tflite.handmade import Tensor, write_tflite

FLOATS = b"\0\0\x80?"


def test_tensors_and_operators_are_those_that_the_generated_classes_read(digits_file):
    model = read_model(digits_file)
    theirs = schema.ModelT.InitFromObj(schema.Model.GetRootAs(digits_file, 0))
    [graph] = theirs.subgraphs
    assert model.version == theirs.version == 3
    assert model.description == theirs.description.decode()
    assert model.main.inputs == tuple(graph.inputs)
    assert model.main.outputs == tuple(graph.outputs)
    codes = [code.builtinCode for code in theirs.operatorCodes]
    for ours, operator in zip(model.main.operators, graph.operators, strict=True):
        assert getattr(schema.BuiltinOperator, ours.name) == codes[operator.opcodeIndex]
        assert (ours.inputs, ours.outputs) == (tuple(operator.inputs), tuple(operator.outputs))
        fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        assert getattr(schema.ActivationFunctionType, ours.activation) == fused
    for ours, tensor in zip(model.main.tensors, graph.tensors, strict=True):
        assert ours.name == tensor.name.decode()
        assert ours.shape == tuple(tensor.shape)
        assert getattr(schema.TensorType, ours.dtype) == tensor.type
        data = theirs.buffers[tensor.buffer].data
        assert bytes(ours.data) == (b"" if data is None else bytes(data))
        quantization = tensor.quantization
        scales = () if quantization is None or quantization.scale is None else quantization.scale
        assert ours.scales == tuple(scales)


def test_the_digits_network_has_the_operators_of_a_resnet8(digits_file):
    model = read_model(digits_file)
    assert Counter(use.name for use in operator_uses(model.main)) == {
        # Seven convolutions: the stem and two in each of three blocks.
        "CONV_2D": 7,
        "ADD": 4,
        "MAX_POOL_2D": 2,
        "PAD": 2,
        "MUL": 1,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
        "QUANTIZE": 1,
        "DEQUANTIZE": 1,
    }
    kernels = 9 * (1 * 8 + 8 * 8 * 2 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32) + 32 * 10
    biases = 4 * (8 * 3 + 16 * 2 + 32 * 2 + 10)
    # Two normalization constants, the axes of the mean, and padding of two shortcuts.
    others = 2 + 2 * 4 + 2 * (4 * 2 * 4)
    assert model.weight_bytes == kernels + biases + others == 19_418
    assert not dynamic_tensors(model)
    assert not float_operators(model.main)


def test_precision_names_what_is_computed_and_what_is_stored():
    tensors = [
        Tensor((1, 4), "FLOAT32"),
        Tensor((2, 4), "INT8", data=bytes(8), scale=1.0),
        Tensor((1, 2), "FLOAT32"),
        Tensor((2, 2), "FLOAT16", data=bytes(8)),
        Tensor((2, 2), "FLOAT32"),
        Tensor((1, 2), "FLOAT32"),
        Tensor((1, 2), "UINT8"),
    ]
    operators = [
        ("FULLY_CONNECTED", (0, 1, -1), (2,)),
        ("DEQUANTIZE", (3,), (4,)),
        ("FULLY_CONNECTED", (2, 4), (5,)),
        ("QUANTIZE", (5,), (6,)),
    ]
    graph = read_model(write_tflite(tensors, operators, (0,), (6,))).main
    assert [use.precision for use in operator_uses(graph)] == [
        "float32, int8 weights",
        "float16 to float32",
        "float32, float16 weights",
        "float32 to uint8",
    ]
    assert [operator.name for operator in float_operators(graph)] == ["FULLY_CONNECTED"] * 2


def test_custom_and_dynamic_operators_are_named():
    tensors = [
        Tensor((1, 4), "FLOAT32", signature=(-1, 4), name="image"),
        Tensor((1, 4), "FLOAT32", name="answer"),
    ]
    model = read_model(write_tflite(tensors, [("FlexErf", (0,), (1,))], (0,), (1,)))
    [use] = operator_uses(model.main)
    assert (use.name, use.kind, use.inputs) == ("FlexErf", "custom", ((-1, 4),))
    assert dynamic_tensors(model) == ["image"]


def test_operators_that_microcontrollers_lack_are_named(digits_file):
    assert missing_in_micro(read_model(digits_file)) == []
    tensors = [Tensor((1, 4), "FLOAT32"), Tensor((1, 4), "FLOAT32")]
    operators = [("GELU", (0,), (1,)), ("RELU", (1,), (1,)), ("FlexErf", (1,), (1,))]
    model = read_model(write_tflite(tensors, operators, (0,), (1,)))
    assert missing_in_micro(model) == ["FlexErf", "GELU"]


def test_pads_and_products_that_a_convolution_could_do_are_told_from_others():
    tensors = [
        Tensor((1, 4, 4, 2)),
        Tensor((1,), data=b"\1"),
        Tensor((1, 4, 4, 2)),
        Tensor((4, 2), "INT32", data=bytes(32)),
        Tensor((1, 6, 6, 2)),
        Tensor((1, 6, 6, 4)),
        Tensor((1, 6, 6, 4)),
    ]
    operators = [
        ("MUL", (0, 1), (2,)),
        ("PAD", (2, 3), (4,)),
        ("PAD", (4, 3), (5,)),
        ("MUL", (5, 5), (6,)),  # a gate: both are computed
    ]
    graph = read_model(write_tflite(tensors, operators, (0,), (6,))).main
    found = [(each.index, each.name, each.bytes) for each in unfused_operators(graph)]
    assert found == [(0, "MUL", 32), (1, "PAD", 72), (2, "PAD", 144)]
    reasons = [each.reason.split(":")[0] for each in unfused_operators(graph)]
    assert reasons == ["by a constant", "of height and width", "of channels"]


def test_a_buffer_that_two_tensors_share_counts_once(digits_file):
    tensors = [Tensor((4,), "FLOAT32"), Tensor((1,), "FLOAT32", data=FLOATS), Tensor((4,))]
    content = write_tflite(tensors, [("MUL", (0, 1), (2,)), ("ADD", (2, 1), (2,))], (0,), (2,))
    assert read_model(content).weight_bytes == 4


@pytest.mark.parametrize("dtype, size, taken", [("INT4", 5, 3), ("INT8", 5, 5), ("INT64", 5, 40)])
def test_sizes_follow_the_dtype(dtype, size, taken):
    [tensor] = read_model(write_tflite([Tensor((size,), dtype)], [], (0,), (0,))).main.tensors
    assert tensor.bytes == taken


def test_a_bundle_is_named_by_its_folder():
    assert find_model_file(BUNDLE) == BUNDLE / "model.tflite"
    assert len(load_model_file(BUNDLE).main.operators) == 21


def test_a_folder_without_a_file_and_a_misspelt_name_say_what_to_do(tmp_path, digits_file):
    with pytest.raises(UserError, match=r"holds no model\.tflite"):
        find_model_file(tmp_path)
    (tmp_path / "model.tflite").write_bytes(digits_file)
    with pytest.raises(UserError, match=r"did you mean 'model\.tflite'\?"):
        find_model_file(tmp_path / "modle.tflite")


def test_reading_imports_no_tensorflow():
    program = (
        "import sys\n"
        "from reszoo.tflite.inspection import inspect_file\n"
        "inspection = inspect_file(sys.argv[1])\n"
        "print(len(inspection.operators), {'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(BUNDLE)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "21 set()\n"
