"""Input of an export, and the files that it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.parity import Arithmetic
from reszoo.inference.calibration import SampleImages
from reszoo.spec.target import Target


@dataclass(frozen=True)
class ExportJob:
    """Network, target and images of an export."""

    network: InferenceGraph
    target: Target
    samples: SampleImages
    calibration: SampleImages | None
    keep_float: tuple[str, ...] = ()
    """Layers to keep in float, or `auto` alone."""

    @property
    def int8(self) -> bool:
        """Whether the .tflite computes in int8."""
        return self.target.quantization == "int8"

    @property
    def tflite_arithmetic(self) -> Arithmetic:
        """Arithmetic of the .tflite."""
        precision = self.target.quantization
        return "float32" if precision == "none" else precision


@dataclass(frozen=True)
class ExportedFile:
    """A written file, its outputs for the sample images, and its entry in the contract."""

    name: str
    rows: np.ndarray
    """Indices of the sample images that it was run on."""
    probabilities: np.ndarray
    """Of these images, `(rows, classes)`."""
    entry: dict[str, Any]
    arithmetic: Arithmetic
    float_layers: tuple[str, ...] = ()
    """Layers of an int8 file that stay in float."""
