"""Exporting: a trained network as a SavedModel and a `.tflite` that agree with Keras."""

from reszoo.exporting.bundle import Bundle, Parity
from reszoo.exporting.layer_parity import LayerDifference
from reszoo.exporting.parity import Check, Comparison

__all__ = ["Bundle", "Check", "Comparison", "LayerDifference", "Parity"]
