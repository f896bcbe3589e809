"""What came out of an export: paths and numbers, for whoever prints them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.exporting.layer_parity import LayerDifference
from reszoo.exporting.parity import Comparison


@dataclass(frozen=True)
class Parity:
    """How the exported files compare with the Keras model."""

    target: str
    source: str
    """The images compared on, in words."""
    calibration: str | None
    """The images an int8 file was calibrated on, in words."""
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
    layers: tuple[LayerDifference, ...] = ()
    """Layer by layer; measured where the .tflite fails."""
    begins: LayerDifference | None = None
    """The layer in which the .tflite begins to differ."""

    @property
    def passed(self) -> bool:
        """Whether every file kept every limit."""
        return all(comparison.passed for comparison in self.comparisons)

    def of(self, file: str) -> Comparison | None:
        """The comparison of `saved_model` or `tflite`, where it was written."""
        return next((one for one in self.comparisons if one.file == file), None)


@dataclass(frozen=True)
class Bundle:
    """A written bundle."""

    path: Path
    target: str
    gate: str
    """`passed`, `failed` or `not checked`, as in the contract."""
    parity: Parity
    contract: dict[str, Any]
    keras_bytes: int
    """The network's weights in float32."""
    saved_model_bytes: int | None
    tflite_bytes: int | None
    seconds: float

    @property
    def saved_model(self) -> Path | None:
        """The SavedModel's folder."""
        return self._file("saved_model")

    @property
    def tflite(self) -> Path | None:
        """The .tflite file."""
        return self._file("tflite")

    @property
    def labels(self) -> Path:
        """One class name per line."""
        return self.path / self.contract["classes"]["file"]

    @property
    def report(self) -> Path:
        """The parity report for a reader."""
        return self.path / "parity.md"

    def _file(self, name: str) -> Path | None:
        part = self.contract["files"].get(name)
        return self.path / part["path"] if part else None
