"""The arena of a microcontroller: the memory of feature maps and of TFLite-Micro itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reszoo.tflite.contents import TFLiteGraph, TFLiteModel
from reszoo.tflite.memory_plan import planned_bytes
from reszoo.tflite.micro_runtime import measured_arena

_TENSOR_BYTES = 24
"""Of a TfLiteEvalTensor, which each tensor of the file has, weights too."""
_OPERATOR_BYTES = 64 + 96
"""Of a NodeAndRegistration, and of what an operator's kernel keeps: 60 to 80 bytes measured, and
15 of bookkeeping."""
_CHANNEL_BYTES = 8
"""Of the multiplier and the shift that a convolution keeps for each channel of its output."""
_FIXED_BYTES = 900
"""Of the interpreter, its input and its output."""
_CONVOLUTIONS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0}
"""The axis of the weights that counts output channels."""
_PLANNED_TENSOR_BYTES = 32
"""Size of an AllocationInfo; each tensor of the file has one while memory is planned."""
_PLANNED_MAP_BYTES = 56
"""Bytes that the greedy planner uses per feature map."""
_SPARE_BYTES = 1 << 20


@dataclass(frozen=True)
class Arena:
    """The arena that a file needs in TFLite-Micro, in bytes."""

    feature_map_bytes: int
    """Of the file's memory plan, or of TFLite-Micro's planner where it has none."""
    own_bytes: int
    """Bytes for TFLite-Micro's own data in a 64-bit build; a 32-bit device needs less.

    They include what it needs while it plans the memory, as far as that exceeds the memory of the
    feature maps, which happens in tiny networks."""
    source: Literal["measured", "estimated"]
    """Of `own_bytes`: TFLite-Micro itself, or `estimated_own_bytes`."""

    @property
    def bytes(self) -> int:
        """The whole arena."""
        return self.feature_map_bytes + self.own_bytes


def arena_of(model: TFLiteModel) -> Arena | None:
    """Returns the arena of a file, measured where the wheel `tflite-micro` is installed.

    None where its size is not known before the network runs (see `plannable_maps`).

    Raises:
      UserError: the memory plan of the file is wrong.
    """
    feature_map_bytes = planned_bytes(model)
    if feature_map_bytes is None:
        return None
    own = estimated_own_bytes(model.main)
    while_planning = max(0, planning_bytes(model.main) - feature_map_bytes)
    measured = measured_arena(model.content, feature_map_bytes + 2 * own + _SPARE_BYTES)
    if measured is not None and measured > feature_map_bytes:
        return Arena(feature_map_bytes, measured - feature_map_bytes + while_planning, "measured")
    return Arena(feature_map_bytes, own + while_planning, "estimated")


def planning_bytes(graph: TFLiteGraph) -> int:
    """Returns the bytes that TFLite-Micro uses while it plans, in the later place of feature maps.

    Derived from ever smaller arenas with tflite-micro 0.dev20261023182759; exact to 50 bytes.
    """
    maps = sum(not tensor.is_constant for tensor in graph.tensors)
    return planning_bytes_of(len(graph.tensors), maps)


def planning_bytes_of(tensors: int, maps: int) -> int:
    """Returns the same of a file with so many tensors, of which so many are feature maps."""
    return _PLANNED_TENSOR_BYTES * tensors + _PLANNED_MAP_BYTES * maps


def estimated_own_bytes(graph: TFLiteGraph) -> int:
    """Returns an estimate of what TFLite-Micro keeps for itself, in bytes of a 64-bit build.

    Measured with tflite-micro 0.dev20261023182759 on eleven networks of 15 to 75 operators, int8
    and float32: never below the wheel, and at most 10 % above it.
    """
    channels = 0
    for operator in graph.operators:
        axis = _CONVOLUTIONS.get(operator.name)
        if axis is not None and len(operator.given_inputs) > 1:
            shape = graph.tensors[operator.given_inputs[1]].shape
            channels += shape[axis] if axis < len(shape) else 0
        elif operator.name == "FULLY_CONNECTED" and len(operator.given_inputs) > 1:
            channels += len(graph.tensors[operator.given_inputs[1]].scales)
    return own_bytes_of(len(graph.tensors), len(graph.operators), channels)


def own_bytes_of(tensors: int, operators: int, channels: int) -> int:
    """Returns the estimate of a file with so many tensors, operators and convolved channels."""
    return (
        _FIXED_BYTES
        + _TENSOR_BYTES * tensors
        + _OPERATOR_BYTES * operators
        + _CHANNEL_BYTES * channels
    )
