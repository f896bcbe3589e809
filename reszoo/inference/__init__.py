"""Inference: everything that needs a trained network and no optimizer.

What needs TensorFlow is imported when it is first used: a `.tflite` file predicts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.inference.metrics import Agreement, ClassScore, Evaluation
from reszoo.inference.predict import Prediction
from reszoo.lazy import lazy_exports

if TYPE_CHECKING:
    from reszoo.inference.folding import FoldedModel
    from reszoo.inference.net2net import Net2NetResult
    from reszoo.inference.trained import Target, TrainedModel

__all__ = [
    "Agreement",
    "ClassScore",
    "Evaluation",
    "FoldedModel",
    "Net2NetResult",
    "Prediction",
    "Target",
    "TrainedModel",
]

_MODULES = {
    "FoldedModel": "reszoo.inference.folding",
    "Net2NetResult": "reszoo.inference.net2net",
    "Target": "reszoo.inference.trained",
    "TrainedModel": "reszoo.inference.trained",
}

__getattr__ = lazy_exports(__name__, _MODULES)
