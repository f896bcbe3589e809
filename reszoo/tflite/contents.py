"""Contents of a `.tflite` as values: tensors, operators, graphs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

_DTYPE_BITS = {
    "INT2": 2,
    "INT4": 4,
    "UINT4": 4,
    "INT8": 8,
    "UINT8": 8,
    "BOOL": 8,
    "FLOAT8_E4M3FN": 8,
    "FLOAT8_E5M2": 8,
    "FLOAT16": 16,
    "BFLOAT16": 16,
    "INT16": 16,
    "UINT16": 16,
    "FLOAT32": 32,
    "INT32": 32,
    "UINT32": 32,
    "FLOAT64": 64,
    "INT64": 64,
    "UINT64": 64,
    "COMPLEX64": 64,
    "COMPLEX128": 128,
}
_OPTIONAL = -1
"""Index of an input that an operator was not given, such as a bias."""


@dataclass(frozen=True)
class TFLiteTensor:
    """One tensor of a graph."""

    name: str
    dtype: str
    """Of the schema's names, such as `INT8`."""
    shape: tuple[int, ...]
    """As stored: a dynamic dimension is 1 here."""
    signature: tuple[int, ...]
    """The same with -1 for each dynamic dimension."""
    buffer: int
    data: memoryview
    """Constant contents; empty for a tensor that is computed."""
    scales: tuple[float, ...]
    """Of its quantization: none, one, or one per channel."""
    zero_points: tuple[int, ...]
    is_variable: bool
    is_sparse: bool

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its contents."""
        return len(self.data) > 0

    @property
    def is_dynamic(self) -> bool:
        """Whether a dimension is known only when the network runs."""
        return any(side < 0 for side in (*self.signature, *self.shape))

    @property
    def bytes(self) -> int | None:
        """Size of its contents; None where dtype or shape leave it open."""
        bits = _DTYPE_BITS.get(self.dtype)
        if bits is None or any(side < 0 for side in self.shape):
            return None
        return -(-math.prod(self.shape) * bits // 8)


@dataclass(frozen=True)
class TFLiteOperator:
    """One operator of a graph."""

    name: str
    """Of the schema's names, such as `CONV_2D`; the name of a custom operator."""
    kind: str
    """`builtin`, `custom`, or `unknown` to the installed ai-edge-litert."""
    version: int
    inputs: tuple[int, ...]
    """Indices of tensors; -1 for an optional input that is left out."""
    outputs: tuple[int, ...]
    activation: str
    """The fused one, `NONE` where there is none."""

    @property
    def given_inputs(self) -> tuple[int, ...]:
        """Indices of the inputs that are not left out."""
        return tuple(index for index in self.inputs if index != _OPTIONAL)


@dataclass(frozen=True)
class TFLiteGraph:
    """One graph of a file; operators are in the order in which they run."""

    name: str
    tensors: tuple[TFLiteTensor, ...]
    operators: tuple[TFLiteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @cached_property
    def producers(self) -> dict[int, TFLiteOperator]:
        """The operator that computes each feature map, by index of the tensor."""
        return {index: operator for operator in self.operators for index in operator.outputs}


@dataclass(frozen=True)
class TFLiteModel:
    """The contents of a `.tflite` file."""

    name: str
    """The file's name in messages."""
    content: bytes = field(repr=False)
    version: int
    description: str
    graphs: tuple[TFLiteGraph, ...]
    buffers: tuple[memoryview, ...] = field(repr=False)
    metadata: dict[str, memoryview] = field(repr=False)
    """Contents of the metadata buffers by name."""

    @property
    def main(self) -> TFLiteGraph:
        """The graph that runs first."""
        return self.graphs[0]

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all constant tensors; a buffer that several share counts once."""
        constants = {
            tensor.buffer: len(tensor.data) for graph in self.graphs for tensor in graph.tensors
        }
        return sum(constants.values())
