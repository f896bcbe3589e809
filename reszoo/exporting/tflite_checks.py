"""Is a converted file what it claims to be? Guards against files that convert and are wrong."""

from __future__ import annotations

from collections import Counter
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
_LEAST_SHARE_OF_WEIGHTS = 0.2
_BETWEEN_NUMBERS = {"QUANTIZE", "DEQUANTIZE", "CAST"}


@dataclass(frozen=True)
class Operator:
    """One operator of a .tflite: its name, its first output and the type of that."""

    name: str
    output: str
    number: str


@dataclass(frozen=True)
class Contents:
    """What stands in a .tflite file."""

    operators: tuple[Operator, ...]
    free_shapes: tuple[str, ...]
    """Tensors with a dimension that is not fixed."""

    def counts(self) -> dict[str, int]:
        """How often each operator occurs, most frequent first."""
        return dict(Counter(operator.name for operator in self.operators).most_common())


def read_contents(content: bytes) -> Contents:
    """Reads the operators and shapes of a .tflite file from its bytes."""
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    operators = [
        _operator(model, graph.Operators(index), tensors)
        for index in range(graph.OperatorsLength())
    ]
    free = tuple(_name(tensor) for tensor in tensors if _is_free(tensor))
    return Contents(tuple(operators), free)


def check_file(content: bytes, weight_bytes: int, target: Target) -> Contents:
    """The contents of a .tflite after every guard has passed.

    Args:
      content: the file.
      weight_bytes: bytes of the network's weights in float32.
      target: what the file was made for.

    Raises:
      GateError: the file lost its weights, has a shape that is not fixed, needs operators beyond
        the built-in ones, or computes in float where the target says int8.
    """
    contents = read_contents(content)
    _holds_its_weights(contents, len(content), weight_bytes)
    _is_static(contents)
    _is_built_in(contents)
    if target.quantization == "int8":
        _is_full_integer(contents)
    return contents


def check_pixels(details: dict[str, Any]) -> None:
    """Guards that a uint8 input of an int8 file takes pixels as they are: scale 1, zero point 0.

    Raises:
      GateError: another scale would clip or shift the pixels of some images.
    """
    scale, zero_point = details["quantization"]
    if abs(scale - 1.0) > 1e-5 or zero_point != 0:
        raise GateError(
            "the .tflite does not take pixels as they are",
            expected="input scale 1.0, zero point 0",
            found=f"scale {scale}, zero point {zero_point}",
            hint="calibration must see a black and a white image",
        )


def _holds_its_weights(contents: Contents, size: int, weight_bytes: int) -> None:
    variables = contents.counts().get("VAR_HANDLE", 0)
    if variables or size < _LEAST_SHARE_OF_WEIGHTS * weight_bytes:
        raise GateError(
            "the .tflite has lost the weights of the network",
            expected=f"at least {_LEAST_SHARE_OF_WEIGHTS * weight_bytes:,.0f} bytes, no variables",
            found=f"{size:,} bytes, {variables} VAR_HANDLE operators",
        )


def _is_static(contents: Contents) -> None:
    if contents.free_shapes:
        raise GateError(
            "the .tflite has shapes that are not fixed, which accelerators refuse",
            expected="every dimension a number",
            found=", ".join(contents.free_shapes[:3]),
        )


def _is_built_in(contents: Contents) -> None:
    foreign = {
        operator.name
        for operator in contents.operators
        if operator.name == "CUSTOM" or operator.name.startswith("Flex")
    }
    if foreign:
        raise GateError(
            "the .tflite needs operators that a plain TFLite runtime has not",
            expected="built-in operators only",
            found=", ".join(sorted(foreign)),
        )


def _is_full_integer(contents: Contents) -> None:
    inside = [
        operator
        for operator in contents.operators
        if operator.number.startswith("FLOAT") and operator.name not in _BETWEEN_NUMBERS
    ]
    if inside:
        raise GateError(
            "the int8 .tflite computes in float inside",
            where=inside[0].output,
            expected="integer operators only",
            found=", ".join(sorted({operator.name for operator in inside})),
            hint="choose an activation with an int8 kernel (relu, relu6, silu, tanh), "
            "or --target mobile-float32",
        )


def _operator(model: Any, operator: Any, tensors: list[Any]) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Codes above 127 stand in the newer field; the older one then holds 127.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    output = tensors[operator.Outputs(0)]
    return Operator(_OPERATORS.get(number, str(number)), _name(output), _TYPES[output.Type()])


def _name(tensor: Any) -> str:
    return (tensor.Name() or b"").decode(errors="replace")


def _is_free(tensor: Any) -> bool:
    return any(
        tensor.ShapeSignature(index) < 0 for index in range(tensor.ShapeSignatureLength())
    ) or any(tensor.Shape(index) < 0 for index in range(tensor.ShapeLength()))
