"""Bundles: the files and measurements that an export returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.exporting.layer_parity import LayerDifference
from reszoo.exporting.mixed_precision import LayerCost
from reszoo.exporting.parity import Comparison
from reszoo.exporting.reference_parity import KernelDifference


@dataclass(frozen=True)
class Parity:
    """Comparison of the exported files with the Keras model."""

    target: str
    source: str
    """Description of the images compared on."""
    calibration: str | None
    """Description of the images that an int8 file was calibrated on."""
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
    layers: tuple[LayerDifference, ...] = ()
    """Layer by layer; measured only where the .tflite fails."""
    first_divergent: LayerDifference | None = None
    """The layer from which on the .tflite differs."""
    costs: tuple[LayerCost, ...] = ()
    """Sensitivity to int8 by layer, in descending order; measured only if an int8 .tflite fails."""
    allows_float: bool = False
    """Whether the target's int8 file may keep layers in float."""
    float_layers: tuple[str, ...] = ()
    """Layers kept in float in an int8 file."""
    kernels: tuple[KernelDifference, ...] = ()
    """Outputs of other kernels against the reference kernels, for microcontrollers and NPUs."""

    @property
    def passed(self) -> bool:
        """Whether every file is within all limits."""
        return all(comparison.passed for comparison in self.comparisons)

    def comparison(self, file: str) -> Comparison | None:
        """Returns the comparison of a file; None if there is none.

        `file` is `saved_model`, `tflite` or `onnx`; for microcontrollers and NPUs also
        `tflite_reference` and `tflite_micro`.
        """
        return next((each for each in self.comparisons if each.file == file), None)


@dataclass(frozen=True)
class Bundle:
    """An exported bundle on disk."""

    path: Path
    target: str
    gate: str
    """`passed`, `failed` or `not checked`, as in the contract."""
    parity: Parity
    contract: dict[str, Any]
    """The content of contract.json."""
    keras_bytes: int
    """Size of the network's weights in float32."""
    saved_model_bytes: int | None
    tflite_bytes: int | None
    onnx_bytes: int | None
    seconds: float

    @property
    def saved_model(self) -> Path | None:
        """The SavedModel folder."""
        return self._file("saved_model")

    @property
    def tflite(self) -> Path | None:
        """The .tflite file."""
        return self._file("tflite")

    @property
    def onnx(self) -> Path | None:
        """The ONNX file."""
        return self._file("onnx")

    @property
    def labels(self) -> Path:
        """The file of class names, one per line."""
        return self.path / self.contract["classes"]["file"]

    @property
    def report(self) -> Path:
        """The parity report in Markdown."""
        return self.path / "parity.md"

    def _file(self, name: str) -> Path | None:
        entry = self.contract["files"].get(name)
        return self.path / entry["path"] if entry else None
