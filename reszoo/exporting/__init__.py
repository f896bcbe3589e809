"""Exporting: a trained network as a SavedModel, `.tflite` or ONNX file that agrees with Keras.

TensorFlow is imported only when it is needed: a bundle with just a `.tflite` is verified and timed
without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.lazy import lazy_exports

if TYPE_CHECKING:
    from reszoo.exporting.bundle import Bundle, Parity
    from reszoo.exporting.layer_parity import LayerDifference
    from reszoo.exporting.parity import Check, Comparison
    from reszoo.exporting.verification import Claim, Verification

__all__ = [
    "Bundle",
    "Check",
    "Claim",
    "Comparison",
    "LayerDifference",
    "Parity",
    "Verification",
]

_MODULES = {
    "Bundle": "reszoo.exporting.bundle",
    "Check": "reszoo.exporting.parity",
    "Claim": "reszoo.exporting.verification",
    "Comparison": "reszoo.exporting.parity",
    "LayerDifference": "reszoo.exporting.layer_parity",
    "Parity": "reszoo.exporting.bundle",
    "Verification": "reszoo.exporting.verification",
}

__getattr__ = lazy_exports(__name__, _MODULES)
