"""Checks of converted `.tflite` files against silent failures of the converter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from reszoo.errors import GateError
from reszoo.spec.target import Target

_OPERATORS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_TYPES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
# An int8 file holds a quarter of the float32 bytes; a file below a fifth has lost weights.
_MIN_SHARE_OF_WEIGHTS = 0.2
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE", "CAST"}


@dataclass(frozen=True)
class Operator:
    """One operator of a .tflite: its name, its first output and that output's dtype."""

    name: str
    output: str
    dtype: str


@dataclass(frozen=True)
class TFLiteContents:
    """Operators and shapes of a .tflite file."""

    operators: tuple[Operator, ...]
    dynamic_tensors: tuple[str, ...]
    """Names of the tensors with a dynamic dimension."""

    def counts(self) -> dict[str, int]:
        """Returns the number of operators of each name, most frequent first."""
        return dict(Counter(operator.name for operator in self.operators).most_common())


def read_contents(content: bytes) -> TFLiteContents:
    """Reads the operators and shapes of a .tflite file from its bytes."""
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    operators = [
        _operator(model, graph.Operators(index), tensors)
        for index in range(graph.OperatorsLength())
    ]
    dynamic = tuple(_name(tensor) for tensor in tensors if _has_dynamic_shape(tensor))
    return TFLiteContents(tuple(operators), dynamic)


def check_tflite(
    content: bytes, weight_bytes: int, target: Target, keep_float: Collection[str] = ()
) -> TFLiteContents:
    """Checks the bytes of a .tflite and returns its contents; `weight_bytes` is in float32.

    `keep_float` are the names of the tensors whose operators may compute in float in an int8 file.

    Raises:
      GateError: the file lost its weights, has a dynamic shape, needs operators beyond the built-in
        ones, or computes in float where the target is int8.
    """
    contents = read_contents(content)
    _check_weights(contents, len(content), weight_bytes)
    _check_static_shapes(contents)
    _check_builtin_operators(contents)
    if target.quantization == "int8":
        _check_full_integer(contents, keep_float)
    return contents


def check_input_scale(details: dict[str, Any]) -> None:
    """Checks that a uint8 input takes pixels as they are: scale 1, zero point 0.

    Raises:
      GateError: the input has another scale, which would clip or shift pixels.
    """
    scale, zero_point = details["quantization"]
    if abs(scale - 1.0) > 1e-5 or zero_point != 0:
        raise GateError(
            "the .tflite does not take raw pixels",
            expected="input scale 1.0, zero point 0",
            found=f"scale {scale}, zero point {zero_point}",
            hint="calibrate with training images, to which reszoo adds a black and a white one",
        )


def _check_weights(contents: TFLiteContents, size: int, weight_bytes: int) -> None:
    variables = contents.counts().get("VAR_HANDLE", 0)
    if variables or size < _MIN_SHARE_OF_WEIGHTS * weight_bytes:
        raise GateError(
            "the .tflite has lost the weights of the network",
            expected=f"at least {_MIN_SHARE_OF_WEIGHTS * weight_bytes:,.0f} bytes, no variables",
            found=f"{size:,} bytes, {variables} VAR_HANDLE operators",
            hint="export with --target server; the SavedModel has them",
        )


def _check_static_shapes(contents: TFLiteContents) -> None:
    if contents.dynamic_tensors:
        raise GateError(
            "the .tflite has shapes that are not fixed, which accelerators refuse",
            expected="fixed dimensions",
            found=", ".join(contents.dynamic_tensors[:3]),
            hint="export with --target server; the SavedModel takes such shapes",
        )


def _check_builtin_operators(contents: TFLiteContents) -> None:
    foreign = {
        operator.name
        for operator in contents.operators
        if operator.name == "CUSTOM" or operator.name.startswith("Flex")
    }
    if foreign:
        raise GateError(
            "the .tflite needs operators that a plain TFLite runtime does not have",
            expected="built-in operators only",
            found=", ".join(sorted(foreign)),
            hint="export with --target server, or choose another activation",
        )


def float_operators(contents: TFLiteContents) -> list[Operator]:
    """Returns the operators that compute in float."""
    return [
        operator
        for operator in contents.operators
        if operator.dtype.startswith("FLOAT") and operator.name not in _CONVERSIONS
    ]


def _check_full_integer(contents: TFLiteContents, keep_float: Collection[str]) -> None:
    unwanted = [each for each in float_operators(contents) if each.output not in keep_float]
    if unwanted:
        raise GateError(
            "the int8 .tflite computes in float inside",
            where=unwanted[0].output,
            expected="integer operators only",
            found=", ".join(sorted({operator.name for operator in unwanted})),
            hint="choose an activation with an int8 kernel (relu, relu6, silu, tanh), "
            "or --target mobile-float32",
        )


def _operator(model: Any, operator: Any, tensors: list[Any]) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Codes above 127 are in the newer field; the older one then holds 127.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    output = tensors[operator.Outputs(0)]
    return Operator(_OPERATORS.get(builtin, str(builtin)), _name(output), _TYPES[output.Type()])


def _name(tensor: Any) -> str:
    return (tensor.Name() or b"").decode(errors="replace")


def _has_dynamic_shape(tensor: Any) -> bool:
    return any(
        tensor.ShapeSignature(index) < 0 for index in range(tensor.ShapeSignatureLength())
    ) or any(tensor.Shape(index) < 0 for index in range(tensor.ShapeLength()))
