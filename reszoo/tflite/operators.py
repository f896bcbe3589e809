"""Operators of a `.tflite`: precision, shapes, and those that a device has trouble with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reszoo.tflite.contents import TFLiteGraph, TFLiteModel, TFLiteOperator
from reszoo.tflite.micro_operators import MICRO_OPERATORS

CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST"})
_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})
_WEIGHTS = 1
"""Position of the weights among the inputs of those; of TRANSPOSE_CONV too."""
_TRANSPOSED_IMAGE = 2
_PADS = frozenset({"PAD", "PADV2", "MIRROR_PAD"})


@dataclass(frozen=True)
class OperatorUse:
    """One operator of a graph, with its shapes and its precision."""

    name: str
    kind: str
    """`builtin`, `custom`, or `unknown` to the installed ai-edge-litert."""
    version: int
    precision: str
    """Of its arithmetic, such as `int8`, `float32, int8 weights` or `uint8 to int8`."""
    inputs: tuple[tuple[int, ...], ...]
    """Shapes of the inputs that are computed; -1 for a dynamic dimension."""
    outputs: tuple[tuple[int, ...], ...]
    activation: str | None
    """The fused activation."""


@dataclass(frozen=True)
class UnfusedOperator:
    """A PAD or MUL that another way to write the network would save."""

    index: int
    """Of the operator in its graph."""
    name: str
    reason: str
    bytes: int | None
    """Of the feature map that it writes."""


def operator_uses(graph: TFLiteGraph) -> tuple[OperatorUse, ...]:
    """Returns the operators of a graph in the order in which they run."""
    return tuple(_use(graph, operator) for operator in graph.operators)


def precision_of(graph: TFLiteGraph, operator: TFLiteOperator) -> str:
    """Returns the precision of an operator's arithmetic, by the dtypes of its tensors."""
    tensors = [graph.tensors[index] for index in operator.given_inputs]
    outputs = [graph.tensors[index].dtype.lower() for index in operator.outputs]
    computed = [tensor.dtype.lower() for tensor in tensors if not tensor.is_constant]
    before = (computed or [tensor.dtype.lower() for tensor in tensors] or outputs or ["none"])[0]
    if outputs and outputs[0] != before:
        return f"{before} to {outputs[0]}"
    weights = weights_dtype(graph, operator)
    return before if weights in (None, before) else f"{before}, {weights} weights"


def weights_dtype(graph: TFLiteGraph, operator: TFLiteOperator) -> str | None:
    """Returns the dtype of a convolution's or dense layer's weights; None for other operators.

    Weights in float16 are constants behind a DEQUANTIZE, whose dtype this is then.
    """
    if operator.name not in _WEIGHTED or len(operator.given_inputs) <= _WEIGHTS:
        return None
    index = operator.given_inputs[_WEIGHTS]
    if graph.tensors[index].is_constant:
        return graph.tensors[index].dtype.lower()
    maker = graph.producers.get(index)
    if maker is None or maker.name != "DEQUANTIZE" or not maker.given_inputs:
        return None
    return graph.tensors[maker.given_inputs[0]].dtype.lower()


def float_operators(graph: TFLiteGraph) -> list[TFLiteOperator]:
    """Returns the operators that compute in float; conversions do not count."""
    return [
        operator
        for operator in graph.operators
        if operator.name not in CONVERSIONS
        and any(graph.tensors[index].dtype.startswith("FLOAT") for index in operator.outputs)
    ]


def macs_of(graph: TFLiteGraph) -> int:
    """Returns the multiply-adds of the convolutions and dense layers of a graph."""
    return sum(_macs(graph, operator) for operator in graph.operators)


def missing_in_micro(model: TFLiteModel) -> list[str]:
    """Returns the sorted names of the operators that TFLite-Micro has no kernel for."""
    operators = [operator for graph in model.graphs for operator in graph.operators]
    return sorted(
        {
            operator.name
            for operator in operators
            if operator.kind != "builtin" or operator.name not in MICRO_OPERATORS
        }
    )


def dynamic_tensors(model: TFLiteModel) -> list[str]:
    """Returns the names of the tensors with a dimension that is not fixed."""
    return [tensor.name for graph in model.graphs for tensor in graph.tensors if tensor.is_dynamic]


def unfused_operators(graph: TFLiteGraph) -> tuple[UnfusedOperator, ...]:
    """Returns the PAD and MUL operators of a graph that could be part of a convolution.

    A MUL of two feature maps, as in a gate, is no such operator.
    """
    return tuple(
        UnfusedOperator(index, operator.name, reason, _output_bytes(graph, operator))
        for index, operator in enumerate(graph.operators)
        if (reason := _unfused_reason(graph, operator))
    )


def _macs(graph: TFLiteGraph, operator: TFLiteOperator) -> int:
    """Counts each weight once per output position or, for a transposed one, per input position."""
    inputs = _TRANSPOSED_IMAGE if operator.name == "TRANSPOSE_CONV" else _WEIGHTS
    is_whole = len(operator.given_inputs) > inputs and operator.outputs
    if operator.name not in _WEIGHTED or not is_whole:
        return 0
    weights = math.prod(graph.tensors[operator.given_inputs[_WEIGHTS]].shape)
    swept = operator.outputs[0]
    if operator.name == "TRANSPOSE_CONV":
        swept = operator.given_inputs[_TRANSPOSED_IMAGE]
    shape = graph.tensors[swept].shape
    return weights * abs(math.prod(shape[:-1]))


def _use(graph: TFLiteGraph, operator: TFLiteOperator) -> OperatorUse:
    inputs = [graph.tensors[index] for index in operator.given_inputs]
    return OperatorUse(
        name=operator.name,
        kind=operator.kind,
        version=operator.version,
        precision=precision_of(graph, operator),
        inputs=tuple(tensor.signature for tensor in inputs if not tensor.is_constant),
        outputs=tuple(graph.tensors[index].signature for index in operator.outputs),
        activation=None if operator.activation == "NONE" else operator.activation,
    )


def _unfused_reason(graph: TFLiteGraph, operator: TFLiteOperator) -> str | None:
    constants = [index for index in operator.given_inputs if graph.tensors[index].is_constant]
    if operator.name == "MUL" and constants:
        return "by a constant: a normalization that is not folded into a convolution"
    if operator.name not in _PADS or not operator.outputs or not operator.given_inputs:
        return None
    before, after = operator.given_inputs[0], operator.outputs[0]
    if graph.tensors[before].shape[-1:] != graph.tensors[after].shape[-1:]:
        return "of channels: a shortcut without parameters (option A)"
    return "of height and width: `padding: same` would leave it to the convolution"


def _output_bytes(graph: TFLiteGraph, operator: TFLiteOperator) -> int | None:
    sizes = [graph.tensors[index].bytes for index in operator.outputs]
    return sizes[0] if sizes else None
