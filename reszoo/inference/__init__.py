"""Inference: everything that needs a trained network and no optimizer.

What needs TensorFlow is imported when it is first used: a `.tflite` file predicts without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reszoo.inference.metrics import Agreement, ClassScore, Evaluation
from reszoo.inference.predict import Prediction

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
    "FoldedModel": "folding",
    "Net2NetResult": "net2net",
    "Target": "trained",
    "TrainedModel": "trained",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
