"""Verdicts: whether a `.tflite` is what an export target asks for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from reszoo.spec.target import Target
from reszoo.tflite.arena import Arena, arena_of
from reszoo.tflite.contents import TFLiteGraph, TFLiteModel, TFLiteTensor
from reszoo.tflite.model_file import operator_names
from reszoo.tflite.operators import (
    CONVERSIONS,
    dynamic_tensors,
    float_operators,
    macs_of,
    weights_dtype,
)

_SHOWN = 3
_SCALE_TOLERANCE = 1e-5
_SMALLER = "choose a smaller network, or a target for a larger device"
_WEIGHTS = {
    "none": {"float32"},
    "float16": {"float16", "float32"},
    "dynamic": {"int8", "float32"},
}
"""Dtypes of weights by precision; the converter leaves small weights in float32."""


@dataclass(frozen=True)
class Problem:
    """What keeps a file from meeting a target, and what to do about it."""

    text: str
    hint: str
    tensor: str | None = None
    """Name of the first tensor concerned; None if it concerns the whole file."""


@dataclass(frozen=True)
class Verdict:
    """What keeps a file from being that of a target, judged by the file alone.

    Agreement with a Keras model cannot be: `reszoo export` measures that.
    """

    target: str
    problems: tuple[Problem, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The problems in words."""
        return tuple(problem.text for problem in self.problems)

    @property
    def fits(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def judge(
    model: TFLiteModel,
    target: Target,
    arena: Arena | None = None,
    *,
    keep_float: Collection[str] = (),
) -> Verdict:
    """Returns the verdict of a target on a file.

    Args:
      model: the file.
      target: the target.
      arena: arena of the file, if it is known already.
      keep_float: names of the tensors whose operators may compute in float in an int8 file.
    """
    if "tflite" not in target.writes:
        hint = "export with a target that writes one, such as mobile-int8"
        return Verdict(target.name, (Problem("the target writes no .tflite", hint),))
    found = [problem for rule in _RULES for problem in rule(model, target)]
    found += _check_precision(model, target, keep_float)
    too_large = [Problem(text, _SMALLER) for _, text in over_limits(model, target, arena)]
    return Verdict(target.name, (*found, *too_large))


def unknown_operators(target: Target) -> Iterator[Problem]:
    """Yields a problem for each operator that a target allows and TFLite does not have."""
    known = set(operator_names().values())
    for name in target.operators or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"write {near[0]}" if near else "use the names of TFLite, such as CONV_2D"
            yield Problem(
                f"the target allows the operator {name}, which TFLite does not have", hint
            )


def over_limits(
    model: TFLiteModel, target: Target, arena: Arena | None = None
) -> Iterator[tuple[str, str]]:
    """Yields what exceeds a limit of the target, and a sentence with the excess.

    What exceeds it is the `file`, the `arena` or the `network`.
    """
    limits = target.limits
    if limits.file_bytes is not None:
        yield from _excess("file", len(model.content), limits.file_bytes, "bytes")
    if limits.arena_bytes is not None:
        arena = arena or arena_of(model)
        if arena is None:
            yield "arena", "the size of its arena is not known until it runs"
        else:
            yield from _excess("arena", arena.bytes, limits.arena_bytes, "bytes")
    if limits.macs is not None:
        yield from _excess("network", macs_of(model.main), limits.macs, "multiply-adds")


def _excess(what: str, value: int, limit: int, unit: str) -> Iterator[tuple[str, str]]:
    if value > limit:
        yield what, f"the {what} takes {value:,} {unit} of {limit:,}: {value - limit:,} too many"


def _check_ends(model: TFLiteModel, target: Target) -> Iterator[Problem]:
    graph = model.main
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        yield Problem(
            "an image classifier has one input and one output; the file has "
            f"{len(graph.inputs)} and {len(graph.outputs)}",
            "convert a network with one image as input and one vector as output",
        )
        return
    image, answer = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    if len(image.shape) != 4 or image.signature[0] != target.batch:
        yield Problem(
            f"the input has the shape {_shape(image)}, not ({target.batch}, height, width, "
            "channels)",
            f"convert with a signature for a batch of {target.batch}",
        )
    for name, tensor, wanted in (("input", image, target.input), ("output", answer, target.output)):
        if tensor.dtype.lower() != wanted:
            yield Problem(
                f"the {name} is {tensor.dtype.lower()}, not {wanted}",
                f"export with --target {target.name}",
            )
    if target.quantization == "int8" and image.dtype == target.input.upper() != "FLOAT32":
        yield from _check_scale(image)


def _check_scale(image: TFLiteTensor) -> Iterator[Problem]:
    scale = image.scales[0] if image.scales else 0.0
    zero_point = image.zero_points[0] if image.zero_points else 0
    wanted = 0 if image.dtype == "UINT8" else -128
    if not abs(scale - 1.0) <= _SCALE_TOLERANCE or zero_point != wanted:
        yield Problem(
            f"the input does not take pixels as they are: scale {scale:.6g}, zero point "
            f"{zero_point}, not 1 and {wanted}",
            "export with reszoo, whose calibration images include a black and a white one",
        )


def _check_shapes(model: TFLiteModel, target: Target) -> Iterator[Problem]:
    if names := dynamic_tensors(model):
        yield Problem(
            f"{_count(names, 'tensor')} with a dynamic shape: {_some(names)}",
            "accelerators refuse dynamic shapes; use the SavedModel of --target server",
            names[0],
        )


def _check_operators(model: TFLiteModel, target: Target) -> Iterator[Problem]:
    operators = [operator for graph in model.graphs for operator in graph.operators]
    if foreign := [each.name for each in operators if each.kind != "builtin"]:
        yield Problem(
            f"{_count(foreign, 'operator')} that a plain runtime lacks: {_some(foreign)}",
            "export with --target server, or choose another activation",
        )
    if variables := [each.name for each in operators if each.name == "VAR_HANDLE"]:
        yield Problem(
            f"{_count(variables, 'variable')} instead of constant weights",
            "convert from a SavedModel, as `reszoo export` does",
        )
    yield from unknown_operators(target)
    yield from _check_allowed(model.main, target)


def _check_allowed(graph: TFLiteGraph, target: Target) -> Iterator[Problem]:
    if target.operators is None:
        return
    lacking = [each for each in graph.operators if each.name not in target.operators]
    # Conversions surround what computes in float, and are no cause.
    lacking.sort(key=lambda operator: operator.name in CONVERSIONS)
    for name in dict.fromkeys(operator.name for operator in lacking):
        first = next(operator for operator in lacking if operator.name == name)
        where = graph.tensors[first.outputs[0]].name if first.outputs else None
        yield Problem(
            f"the target lacks the operator {name}",
            _replacement(name, target)
            + f", or add {name} to the target's operators if the device has it",
            where,
        )


_REPLACEMENTS = {
    "ELU": "choose another activation: relu, relu6 or silu",
    "GELU": "choose another activation: relu, relu6 or silu",
    "HARD_SWISH": "choose another activation: relu, relu6 or silu",
    "LOGISTIC": "choose another activation or connection: gates and silu are computed by it",
    "PAD": "choose `shortcut: projection` in place of zero_pad, and `padding: same`",
    "NEG": "compute highway merges as x + T * (H - x)",
    "CAST": "write `input: float32`, or `quantization: int8`",
    "TRANSPOSE_CONV": "upsample in another way",
}
"""What to build instead of an operator that a device lacks."""


def _replacement(name: str, target: Target) -> str:
    if name == "DEQUANTIZE" and target.quantization == "int8" and target.output == "float32":
        return "write `output: int8`"
    return _REPLACEMENTS.get(name, "build the network from other layers")


def _check_precision(
    model: TFLiteModel, target: Target, keep_float: Collection[str]
) -> Iterator[Problem]:
    for graph in model.graphs:
        if target.calibrates:
            yield from _check_full_integer(graph, keep_float)
        elif names := _other_weights(graph, _WEIGHTS[target.quantization]):
            wanted = {"none": "float32", "dynamic": "int8"}.get(
                target.quantization, target.quantization
            )
            yield Problem(
                f"weights in {_some(names)}, not {wanted}", f"export with --target {target.name}"
            )
        elif target.quantization != "none" and not _has_reduced_weights(graph):
            yield Problem(
                f"all weights are in float32, none in {target.quantization}",
                f"export with --target {target.name}",
            )


def _check_full_integer(graph: TFLiteGraph, keep_float: Collection[str]) -> Iterator[Problem]:
    operators = [
        operator
        for operator in float_operators(graph)
        if graph.tensors[operator.outputs[0]].name not in keep_float
    ]
    if operators:
        first = operators[0].outputs[0]
        yield Problem(
            f"{_count(operators, 'operator')} in float: "
            f"{_some([operator.name for operator in operators])}",
            "choose an activation with an int8 kernel (relu, relu6, silu, tanh), or a float target "
            "such as mobile-float32",
            graph.tensors[first].name,
        )


def _other_weights(graph: TFLiteGraph, wanted: set[str]) -> list[str]:
    dtypes = [weights_dtype(graph, operator) for operator in graph.operators]
    return [dtype for dtype in dtypes if dtype is not None and dtype not in wanted]


def _has_reduced_weights(graph: TFLiteGraph) -> bool:
    dtypes = {weights_dtype(graph, operator) for operator in graph.operators} - {None}
    return not dtypes or bool(dtypes - {"float32"})


_RULES: tuple[Callable[[TFLiteModel, Target], Iterator[Problem]], ...] = (
    _check_ends,
    _check_shapes,
    _check_operators,
)


def _shape(tensor: TFLiteTensor) -> str:
    return f"({', '.join(map(str, tensor.signature))})"


def _count(items: list[Any], noun: str) -> str:
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items)} {noun}s"


def _some(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ", ".join(distinct[:_SHOWN]) + more
