"""Small `.tflite` files and graphs put together by hand, and the answers of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from reszoo.tflite.contents import TFLiteGraph, TFLiteModel, TFLiteOperator, TFLiteTensor
from reszoo.tflite.lifetimes import FeatureMap


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file: constant where it has data, dynamic where its signature says so."""

    shape: Sequence[int]
    dtype: str = "INT8"
    data: bytes = b""
    signature: Sequence[int] = ()
    scale: float | None = None
    zero_point: int = 0
    name: str = "t"


def write_tflite(
    tensors: Sequence[Tensor],
    operators: Sequence[tuple[str, Sequence[int], Sequence[int]]],
    inputs: Sequence[int],
    outputs: Sequence[int],
    metadata: Mapping[str, bytes] | None = None,
) -> bytes:
    """Returns a file with one graph; an operator of an unknown name is a custom one."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    names = list(dict.fromkeys(name for name, _, _ in operators))
    model.operatorCodes = [_code(name) for name in names]
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    graph.tensors = [_tensor(tensor, model) for tensor in tensors]
    graph.operators = [_operator(names.index(name), *ends) for name, *ends in operators]
    model.subgraphs = [graph]
    model.metadata = [_metadata(name, data, model) for name, data in (metadata or {}).items()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def residual_blocks(count: int) -> bytes:
    """Blocks `x + f(g(x))` on maps of 1,024 bytes, with functions that have no weights."""
    operators = []
    for block in range(count):
        first = 3 * block
        operators += [
            ("ABS", (first,), (first + 1,)),
            ("ABS", (first + 1,), (first + 2,)),
            ("MAXIMUM", (first + 2, first), (first + 3,)),
        ]
    tensors = [Tensor((1, 8, 8, 4), "FLOAT32", name=f"t{i}") for i in range(3 * count + 1)]
    return write_tflite(tensors, operators, (0,), (3 * count,))


def answers(content: bytes, images: np.ndarray) -> np.ndarray:
    """Returns what LiteRT's reference kernels answer to images `(images, *input shape)`."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    [image], [answer] = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for each in images:
        interpreter.set_tensor(image["index"], each)
        interpreter.invoke()
        results.append(interpreter.get_tensor(answer["index"]))
    return np.concatenate(results)


def graph_of(lives: Sequence[tuple[int, int, int]], moments: int) -> TFLiteModel:
    """Returns a file's contents with a feature map for each (bytes, first, last) moment.

    Operator i runs at moment i + 1, computes what begins there and reads what ends there.
    """
    tensors = tuple(
        TFLiteTensor("t", "INT8", (size,), (size,), 0, memoryview(b""), (), (), False, False)
        for size, _, _ in lives
    )
    operators = tuple(
        TFLiteOperator(
            name="ADD",
            kind="builtin",
            version=1,
            inputs=tuple(i for i, (_, first, last) in enumerate(lives) if first < last == moment),
            outputs=tuple(i for i, (_, first, _) in enumerate(lives) if first == moment),
            activation="NONE",
        )
        for moment in range(1, moments + 1)
    )
    inputs = tuple(i for i, (_, first, _) in enumerate(lives) if first == 0)
    graph = TFLiteGraph("main", tensors, operators, inputs, ())
    return TFLiteModel("hand", b"", 3, "", (graph,), (), {})


def model_of(maps: Sequence[FeatureMap], operators: int) -> TFLiteModel:
    """Returns a file's contents whose feature maps have the indices, sizes and lives given."""
    by_index = {each.index: each for each in maps}
    lives = [
        (by_index[i].bytes, by_index[i].first, by_index[i].last) if i in by_index else (0, 1, 1)
        for i in range(max(by_index) + 1)
    ]
    return graph_of(lives, operators)


def _code(name: str) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.version = 1
    number = getattr(schema.BuiltinOperator, name, None)
    if number is None:
        code.customCode, number = name, schema.BuiltinOperator.CUSTOM
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    return code


def _tensor(tensor: Tensor, model: schema.ModelT) -> schema.TensorT:
    packed = schema.TensorT()
    packed.name, packed.shape = tensor.name, list(tensor.shape)
    packed.shapeSignature = list(tensor.signature) or None
    packed.type = getattr(schema.TensorType, tensor.dtype)
    packed.buffer = _buffer(tensor.data, model) if tensor.data else 0
    if tensor.scale is not None:
        packed.quantization = schema.QuantizationParametersT()
        packed.quantization.scale = [tensor.scale]
        packed.quantization.zeroPoint = [tensor.zero_point]
    return packed


def _operator(code: int, inputs: Sequence[int], outputs: Sequence[int]) -> schema.OperatorT:
    packed = schema.OperatorT()
    packed.opcodeIndex, packed.inputs, packed.outputs = code, list(inputs), list(outputs)
    return packed


def _metadata(name: str, data: bytes, model: schema.ModelT) -> schema.MetadataT:
    packed = schema.MetadataT()
    packed.name, packed.buffer = name, _buffer(data, model)
    return packed


def _buffer(data: bytes, model: schema.ModelT) -> int:
    packed = schema.BufferT()
    packed.data = np.frombuffer(data, np.uint8)
    model.buffers.append(packed)
    return len(model.buffers) - 1
