"""The plan as a Keras model: built, saved and loaded, with weights that travel by row name."""

from reszoo.collection import paused_collection

with paused_collection():
    import keras  # noqa: F401

from reszoo.model.build import build
from reszoo.model.deepening import GATE_BIAS, Deeper, deepen
from reszoo.model.features import features
from reszoo.model.importing import load_pretrained
from reszoo.model.saving import Loaded, load, save
from reszoo.model.weights import copy_weights, settle
from reszoo.model.widening import widen

__all__ = [
    "GATE_BIAS",
    "Deeper",
    "Loaded",
    "build",
    "copy_weights",
    "deepen",
    "features",
    "load",
    "load_pretrained",
    "save",
    "settle",
    "widen",
]
