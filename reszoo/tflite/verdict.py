"""Verdicts: whether a `.tflite` is what an export target asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reszoo.spec.target import Target
from reszoo.tflite.contents import TFLiteGraph, TFLiteModel, TFLiteTensor
from reszoo.tflite.operators import dynamic_tensors, float_operators, weights_dtype

_SHOWN = 3
_SCALE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Verdict:
    """What keeps a file from being that of a target, judged by the file alone.

    Agreement with a Keras model cannot be: `reszoo export` measures that.
    """

    target: str
    problems: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def judge(model: TFLiteModel, target: Target) -> Verdict:
    """Returns the verdict of a target on a file."""
    if "tflite" not in target.writes:
        return Verdict(target.name, ("the target writes no .tflite",))
    return Verdict(target.name, tuple(text for rule in _RULES for text in rule(model, target)))


def _check_ends(model: TFLiteModel, target: Target) -> Iterator[str]:
    graph = model.main
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        found = f"{len(graph.inputs)} and {len(graph.outputs)}"
        yield f"an image classifier has one input and one output, the file has {found}"
        return
    image, answer = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    if len(image.shape) != 4 or image.signature[0] != target.batch:
        yield (
            f"the input has the shape {_shape(image)}, not ({target.batch}, height, width, "
            "channels)"
        )
    for name, tensor, wanted in (("input", image, target.input), ("output", answer, target.output)):
        if tensor.dtype.lower() != wanted:
            yield f"the {name} is {tensor.dtype.lower()}, not {wanted}"
    if target.quantization == "int8" and image.dtype == target.input.upper() == "UINT8":
        yield from _check_scale(image)


def _check_scale(image: TFLiteTensor) -> Iterator[str]:
    scale = image.scales[0] if image.scales else 0.0
    zero_point = image.zero_points[0] if image.zero_points else 0
    if not abs(scale - 1.0) <= _SCALE_TOLERANCE or zero_point != 0:
        yield (
            f"the input does not take pixels as they are: scale {scale:.6g}, zero point "
            f"{zero_point}, not 1 and 0"
        )


def _check_shapes(model: TFLiteModel, target: Target) -> Iterator[str]:
    if names := dynamic_tensors(model):
        yield f"{_count(names, 'tensor')} of a shape that is not fixed: {_some(names)}"


def _check_operators(model: TFLiteModel, target: Target) -> Iterator[str]:
    operators = [operator for graph in model.graphs for operator in graph.operators]
    if foreign := [each.name for each in operators if each.kind != "builtin"]:
        yield f"{_count(foreign, 'operator')} that a plain runtime lacks: {_some(foreign)}"
    if variables := [each.name for each in operators if each.name == "VAR_HANDLE"]:
        yield f"{_count(variables, 'variable')} in place of weights"


def _check_precision(model: TFLiteModel, target: Target) -> Iterator[str]:
    for graph in model.graphs:
        if target.quantization == "int8":
            if names := [operator.name for operator in float_operators(graph)]:
                yield f"{_count(names, 'operator')} in float: {_some(names)}"
        elif names := _reduced_weights(graph):
            yield f"weights in {_some(names)}, not float32"


def _reduced_weights(graph: TFLiteGraph) -> list[str]:
    dtypes = [weights_dtype(graph, operator) for operator in graph.operators]
    return [dtype for dtype in dtypes if dtype not in (None, "float32")]


_RULES: tuple[Callable[[TFLiteModel, Target], Iterator[str]], ...] = (
    _check_ends,
    _check_shapes,
    _check_operators,
    _check_precision,
)


def _shape(tensor: TFLiteTensor) -> str:
    return f"({', '.join(map(str, tensor.signature))})"


def _count(items: list[str], noun: str) -> str:
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items)} {noun}s"


def _some(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ", ".join(distinct[:_SHOWN]) + more
