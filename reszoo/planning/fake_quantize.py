"""The fake-quantized plan: a trained network with the rounding of its int8 file.

Quantization-aware training trains this plan. Normalisations are folded into the kernels before
them, every row computes one operator of the `.tflite`, and rows with the op `fake_quantize` round
each tensor that the `.tflite` stores as int8. There is no such row where the file stores no tensor
(between a convolution or an addition and its ReLU) or where the tensor keeps the range of its input
(after pooling).

| op | stands for |
|---|---|
| quantized_conv, quantized_conv1d, quantized_dense | conv, conv1d, dense: the kernel is rounded |
| channel_scale, channel_offset | the two steps of a normalisation that cannot be folded |
| fake_quantize | - ; `limits`: (low, high), or None for a range that is learned |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reszoo.errors import UserError
from reszoo.planning.rewrites import (
    fold_factors,
    fold_norms,
    for_inference,
    reader_counts,
    rewire,
)
from reszoo.planning.rows import Plan, Ref, Row

KERNEL_OPS = {
    "conv": "quantized_conv",
    "conv1d": "quantized_conv1d",
    "dense": "quantized_dense",
}
"""Ops with kernels, and the ops that round those kernels."""
RANGE_SUFFIX = "_range"
"""Suffix of a `fake_quantize` row; the rest is the name of the row whose output it rounds."""

_PIXELS = (0.0, 255.0)
_FIXED = {"sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""Ranges that TFLite's quantization specification prescribes: scales of 1/256 and 1/128."""
_FUSED = ("relu", "relu6")
"""Activations that TFLite fuses into the operator before them."""
_FUSING = (
    *KERNEL_OPS,
    *("add", "subtract", "multiply", "scale", "channel_scale", "channel_offset"),
)
"""Ops into whose operators these activations are fused."""
_SAME_RANGE = frozenset(
    {
        *("pad", "crop", "pad_channels", "subsample", "max_pool", "average_pool", "blur"),
        *("global_max_pool", "flatten", "reshape"),
    }
)
"""Ops whose operators keep the range of their input."""
_OWN_RANGE = frozenset({*_FUSING, "input", "global_average_pool"})
_ACTIVATIONS = frozenset({*_FUSED, *_FIXED, "leaky_relu"})
"""Activations with an int8 operator; silu takes two operators, and thus two rows."""


def fake_quantize(plan: Plan) -> Plan:
    """Returns the fake-quantized plan of a canonical plan.

    Raises:
      UserError: TFLite has no int8 operator for a row.
    """
    plan = quantizable_rows(plan)
    limits = dict(_limits(plan))

    def source(ref: Ref) -> Ref:
        return Ref(ref.row + RANGE_SUFFIX) if ref.row in limits else ref

    with_kernels = (replace(row, op=KERNEL_OPS.get(row.op, row.op)) for row in plan.rows)
    plan = rewire(plan, with_kernels, source)
    rows: list[Row] = []
    for row in plan.rows:
        rows.append(row)
        if row.name in limits:
            rows.append(_range_row(row, limits[row.name]))
    return replace(plan, rows=tuple(rows))


def quantizable_rows(plan: Plan) -> Plan:
    """Returns the plan that `fake_quantize` adds rounding to: the same rows in float.

    Raises:
      UserError: TFLite has no int8 operator for a row.
    """
    _require_int8(plan)
    plan = fold_factors(fold_norms(for_inference(plan)))
    rows = (part for row in plan.rows for part in _split(row))
    return replace(plan, rows=tuple(rows))


def _require_int8(plan: Plan) -> None:
    unknown = {
        _kind(row): row.name for row in reversed(plan.rows) if row.inputs and not _has_int8(row)
    }
    if unknown:
        raise UserError(
            f"{plan.name} cannot be trained for int8: TFLite has no int8 operators for some layers",
            expected="convolutions, dense layers, pooling, additions, gates, normalisation by "
            "constants, and the activations relu, relu6, leaky_relu, silu and tanh",
            found=", ".join(f"{kind} ({name})" for kind, name in sorted(unknown.items())),
            hint="train a network without these layers in float, and start from that run",
        )


def _kind(row: Row) -> str:
    return str(row.attributes["function"]) if row.op == "activation" else row.op


def _has_int8(row: Row) -> bool:
    if row.op == "activation":
        return row.attributes["function"] in _ACTIVATIONS | {"silu"}
    if row.op == "pad":
        return bool(row.attributes["value"] == 0.0)
    return row.op in _SAME_RANGE | _OWN_RANGE | {"norm", "normalize", "rescale", "dropout"}


def _split(row: Row) -> Iterator[Row]:
    """Yields a row split into rows of one TFLite operator each; the last one keeps its name."""
    values = row.attributes
    if row.op == "norm":
        yield from _scale_and_offset(row, None, None)
    elif row.op == "normalize":
        scales = tuple(1 / std for std in values["std"])
        offsets = zip(values["mean"], values["std"], strict=True)
        yield from _scale_and_offset(row, scales, tuple(-mean / std for mean, std in offsets))
    elif row.op == "rescale":
        channels = row.shape[-1]
        scale, offset = ((values[name],) * channels for name in ("scale", "offset"))
        yield from _scale_and_offset(row, scale, offset)
    elif row.op == "activation" and values["function"] == "silu":
        sigmoid = replace(
            row,
            name=f"{row.name}_sigmoid",
            tags=row.tags._replace(part=f"{row.tags.part}_sigmoid"),
            attributes={"function": "sigmoid"},
        )
        yield sigmoid
        yield replace(row, op="multiply", inputs=(*row.inputs, Ref(sigmoid.name)), attributes={})
    else:
        yield row


def _scale_and_offset(
    row: Row, scale: tuple[float, ...] | None, offset: tuple[float, ...] | None
) -> Iterator[Row]:
    """Yields the rows of x * scale + offset per channel; None means the weights of a norm."""
    has_scale = scale is None or any(value != 1.0 for value in scale)
    has_offset = offset is None or any(offset)
    channels = row.shape[-1]
    changes: dict[str, Any] = {
        "stands_for": (row.name,),
        "parameters": channels if scale is None else 0,
        "other_parameters": 0,
    }
    name = row.name
    if has_scale and has_offset:
        name = f"{row.name}_scale"
        tags = row.tags._replace(part=f"{row.tags.part}_scale")
        yield replace(
            row, name=name, op="channel_scale", tags=tags, attributes={"values": scale}, **changes
        )
        row = replace(row, inputs=(Ref(name),))
    op, values = ("channel_offset", offset) if has_offset else ("channel_scale", scale)
    yield replace(row, op=op, attributes={"values": values}, **changes)


def _limits(plan: Plan) -> Iterator[tuple[str, tuple[float, float] | None]]:
    """Yields the rows whose output has a range of its own in the `.tflite`, and that range."""
    readers = reader_counts(plan)
    fused = {
        row.inputs[0].row
        for row in plan.rows
        if _is_activation(row, *_FUSED) and readers[row.inputs[0]] == 1
    }
    for row in plan.rows:
        if row.op in _SAME_RANGE or (row.name in fused and row.op in _FUSING):
            continue
        if row.op == "input":
            yield row.name, _PIXELS
        elif _is_activation(row, *_FIXED):
            yield row.name, _FIXED[row.attributes["function"]]
        else:
            yield row.name, None


def _is_activation(row: Row, *functions: str) -> bool:
    return row.op == "activation" and row.attributes["function"] in functions


def _range_row(row: Row, limits: tuple[float, float] | None) -> Row:
    return Row(
        name=row.name + RANGE_SUFFIX,
        op="fake_quantize",
        inputs=(Ref(row.name),),
        shape=row.shape,
        tags=row.tags._replace(part=row.tags.part + RANGE_SUFFIX),
        attributes={"limits": limits},
        parameters=0 if limits else 2,
        precision="float32",
    )
