"""Check after quantization-aware training: the `.tflite` has the learned ranges."""

from __future__ import annotations

import keras

from reszoo.errors import GateError
from reszoo.model.quantized_model import learned_limits
from reszoo.tflite.contents import TFLiteModel

_STEPS = 255
_LOWEST = -128
_TOLERANCE = 1e-6
"""Relative, of a scale: it is stored as float32."""
_ROUNDING = 0.5 + 1e-3
"""Of a zero point, which is the nearest whole number."""


def check_learned_ranges(file: TFLiteModel, model: keras.Model) -> None:
    """Checks that each learned range of a fake-quantized model is in a `.tflite`.

    A range is there if a tensor has its scale, to a millionth, and its zero point.

    Raises:
      GateError: a range is missing, so that the file rounds otherwise than the network it was
        trained as.
    """
    scales = {
        (tensor.scales[0], tensor.zero_points[0])
        for tensor in file.main.tensors
        if len(tensor.scales) == len(tensor.zero_points) == 1 and tensor.scales[0] > 0
    }
    ranges = learned_limits(model)
    missing = [
        name
        for name, limits in ranges.items()
        if not any(_is_range(scale, zero_point, *limits) for scale, zero_point in scales)
    ]
    if missing:
        raise GateError(
            "the .tflite does not have the ranges that the network learned",
            where=missing[0],
            expected=f"the scale and the zero point of each of {len(ranges)} ranges",
            found=f"{len(missing)} of them missing",
            hint="export the run that it was trained from, whose ranges are calibrated",
        )


def _is_range(scale: float, zero_point: int, low: float, high: float) -> bool:
    expected = (high - low) / _STEPS
    return (
        abs(scale / expected - 1) <= _TOLERANCE
        and abs(_LOWEST - low / expected - zero_point) <= _ROUNDING
    )
