"""Check that the `.tflite` of a fake-quantized network has the ranges that it learned."""

from __future__ import annotations

import keras

from reszoo.errors import GateError
from reszoo.model.quantized_model import learned_limits
from reszoo.tflite.contents import TFLiteModel

_STEPS = 255
_LOWEST = -128
_TOLERANCE = 1e-6
"""Relative tolerance of a scale, which is stored as float32."""
_ROUNDING = 0.5 + 1e-3
"""Tolerance of a zero point, which is rounded to an integer."""


def check_learned_ranges(file: TFLiteModel, model: keras.Model) -> None:
    """Checks that each learned range of a fake-quantized model is in a `.tflite`.

    A range is present if a tensor has its zero point, and its scale within a relative 1e-6.

    Raises:
      GateError: a range is missing, so that the file rounds differently from the trained network.
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
            expected=f"the scales and zero points of all {len(ranges)} ranges",
            found=f"{len(missing)} of them missing",
            hint="export the float run that it was trained from, whose ranges are calibrated",
        )


def _is_range(scale: float, zero_point: int, low: float, high: float) -> bool:
    expected = (high - low) / _STEPS
    return (
        abs(scale / expected - 1) <= _TOLERANCE
        and abs(_LOWEST - low / expected - zero_point) <= _ROUNDING
    )
