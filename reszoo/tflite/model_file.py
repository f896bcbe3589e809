"""Reading of `.tflite` files: graphs, tensors, operators, buffers, metadata.

Field numbers are those of TensorFlow Lite's schema version 3, which only ever appends fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from reszoo.errors import MachineError, UserError
from reszoo.path_hints import inner_paths_hint, missing_path_hint, unreadable_hint
from reszoo.regular_files import require_regular_file
from reszoo.tflite.contents import TFLiteGraph, TFLiteModel, TFLiteOperator, TFLiteTensor
from reszoo.tflite.flatbuffer import FlatbufferError, FlatbufferTable, root_table

_T = TypeVar("_T")

IDENTIFIER = b"TFL3"
MODEL_FILE = "model.tflite"
"""Name of the `.tflite` in a bundle."""

_FUSED_ACTIVATION_SLOTS = {
    "ADD": 0,
    "SUB": 0,
    "MUL": 0,
    "DIV": 0,
    "FULLY_CONNECTED": 0,
    "CONCATENATION": 1,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "AVERAGE_POOL_2D": 5,
    "MAX_POOL_2D": 5,
}
"""Field of the fused activation in each operator's options."""
_MOST_DIMENSIONS = 16
"""No operator takes more than eight; a product of thousands would keep a reader busy."""


def damaged(name: str, found: str, expected: str = "a .tflite file") -> UserError:
    """Returns the error for a file that is damaged, foreign or wrong about itself."""
    return UserError(
        f"{name} is damaged, or is not a .tflite file",
        expected=expected,
        found=found,
        hint="copy the file again, or export it again",
    )


def find_model_file(path: Path | str) -> Path:
    """Returns the `.tflite` file that a path names or, as a bundle's folder, holds.

    Raises:
      UserError: there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / MODEL_FILE).is_file():
            raise UserError(
                f"the folder {path} holds no {MODEL_FILE}",
                expected="a .tflite file, or the bundle of a target that writes one",
                found="a folder without it",
                hint=inner_paths_hint(path, f"export/*/{MODEL_FILE}")
                or "name the .tflite file, or export with --target mobile-int8",
            )
        return path / MODEL_FILE
    require_regular_file(path)
    if not path.exists():
        raise UserError(
            f"there is no file {path}",
            expected="a .tflite file, or a bundle's folder",
            hint=missing_path_hint(path),
        )
    return path


def load_model_file(path: Path | str) -> TFLiteModel:
    """Reads a `.tflite` file, or that of a bundle.

    Raises:
      UserError: there is none, or it is damaged.
      MachineError: it cannot be read.
    """
    file = find_model_file(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise MachineError(
            f"cannot read {file}: {error.strerror or error}", hint=unreadable_hint(error, file)
        ) from error
    return read_model(content, str(file))


def read_model(content: bytes, name: str = "the file") -> TFLiteModel:
    """Reads the bytes of a `.tflite` file; `name` stands in messages.

    Raises:
      UserError: the bytes are damaged, or no .tflite file.
    """
    if content[4:8] != IDENTIFIER:
        found = f"bytes 4 to 7 are {content[4:8]!r}, not {IDENTIFIER!r}" if content else "no bytes"
        hint = "name a .tflite file; `reszoo export` makes one of a run or a .keras file"
        raise damaged(name, found).changed(hint=hint)
    try:
        return _read(content, name)
    except FlatbufferError as error:
        raise damaged(name, str(error)) from error


@cache
def operator_names() -> dict[int, str]:
    """Names of the built-in operators by code, of the installed ai-edge-litert."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return _names(BuiltinOperator)


@cache
def _dtype_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import TensorType

    return _names(TensorType)


@cache
def _activation_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import ActivationFunctionType

    return _names(ActivationFunctionType)


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _read(content: bytes, name: str) -> TFLiteModel:
    root = root_table(content, IDENTIFIER)
    buffers = tuple(_buffer(table, content) for table in root.tables(4))
    codes = [_operator_code(table) for table in root.tables(1)]
    graphs = tuple(_graph(table, codes, buffers) for table in root.tables(2))
    if not graphs:
        raise FlatbufferError("it holds no graph")
    metadata = {
        table.text(0): _item(buffers, table.number(1, "I"), "a buffer of metadata")
        for table in root.tables(6)
    }
    version = root.number(0, "I")
    return TFLiteModel(name, content, version, root.text(3), graphs, buffers, metadata)


def _buffer(table: FlatbufferTable, content: bytes) -> memoryview:
    # Files beyond 2 GB keep their weights outside the FlatBuffer, at a position in the file.
    start, size = table.number(1, "Q"), table.number(2, "Q")
    if start <= 1:
        return table.octets(0)
    if start + size > len(content):
        raise FlatbufferError(f"a buffer ends at byte {start + size:,} of {len(content):,}")
    return memoryview(content)[start : start + size]


def _operator_code(table: FlatbufferTable) -> tuple[str, str, int]:
    """Returns the name, kind and version that operators refer to by an index."""
    # Codes above 127 are in the newer field; the older one then holds 127.
    code = max(table.number(3, "i"), table.number(0, "b"))
    name = operator_names().get(code)
    version = table.number(2, "i", 1)
    if name == "CUSTOM":
        return table.text(1) or name, "custom", version
    return (name, "builtin", version) if name else (f"operator {code}", "unknown", version)


def _graph(
    table: FlatbufferTable, codes: list[tuple[str, str, int]], buffers: tuple[memoryview, ...]
) -> TFLiteGraph:
    tensors = tuple(_tensor(each, buffers) for each in table.tables(0))
    operators = tuple(_operator(each, codes) for each in table.tables(3))
    graph = TFLiteGraph(
        table.text(4), tensors, operators, table.numbers(1, "i"), table.numbers(2, "i")
    )
    for index in _indices(graph):
        _item(tensors, index, "a tensor")
    return graph


def _indices(graph: TFLiteGraph) -> Iterator[int]:
    """Yields every index of a tensor that the graph names."""
    yield from (*graph.inputs, *graph.outputs)
    for operator in graph.operators:
        yield from (*operator.given_inputs, *operator.outputs)


def _tensor(table: FlatbufferTable, buffers: tuple[memoryview, ...]) -> TFLiteTensor:
    shape = table.numbers(0, "i")
    if len(shape) > _MOST_DIMENSIONS:
        raise FlatbufferError(f"a tensor has {len(shape):,} dimensions")
    code = table.number(1, "b")
    buffer = table.number(2, "I")
    quantization = table.table(4)
    tensor = TFLiteTensor(
        name=table.text(3),
        dtype=_dtype_names().get(code, f"dtype {code}"),
        shape=shape,
        signature=table.numbers(7, "i") or shape,
        buffer=buffer,
        data=_item(buffers, buffer, "a buffer") if buffers else memoryview(b""),
        scales=quantization.numbers(2, "f") if quantization else (),
        zero_points=quantization.numbers(3, "q") if quantization else (),
        is_variable=table.number(5, "?", False),
        is_sparse=table.table(6) is not None,
    )
    if not all(map(math.isfinite, tensor.scales)):
        raise FlatbufferError(f"the tensor {tensor.name!r} has a scale that is not a finite number")
    size = tensor.bytes
    if tensor.is_constant and not tensor.is_sparse and size not in (None, len(tensor.data)):
        raise FlatbufferError(
            f"the tensor {tensor.name!r} has {len(tensor.data):,} bytes where its shape takes "
            f"{size:,}"
        )
    return tensor


def _operator(table: FlatbufferTable, codes: list[tuple[str, str, int]]) -> TFLiteOperator:
    name, kind, version = _item(codes, table.number(0, "I"), "an operator code")
    options = table.table(4)
    slot = _FUSED_ACTIVATION_SLOTS.get(name)
    activation = options.number(slot, "b") if options and slot is not None else 0
    return TFLiteOperator(
        name=name,
        kind=kind,
        version=version,
        inputs=table.numbers(1, "i"),
        outputs=table.numbers(2, "i"),
        activation=_activation_names().get(activation, f"activation {activation}"),
    )


def _item(items: Sequence[_T], index: int, what: str) -> _T:
    if not 0 <= index < len(items):
        raise FlatbufferError(f"{what} has the index {index:,}, of {len(items):,}")
    return items[index]
