"""Export: a trained network becomes a SavedModel and a .tflite that say what Keras says."""

from reszoo.export.bundle import Bundle, Parity
from reszoo.export.exporting import export
from reszoo.export.layers import LayerDifference
from reszoo.export.parity import Check, Comparison

__all__ = [
    "Bundle",
    "Check",
    "Comparison",
    "LayerDifference",
    "Parity",
    "export",
]
