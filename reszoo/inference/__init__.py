"""Inference: everything that needs a trained network and no optimizer."""

from reszoo.inference.folding import FoldedModel
from reszoo.inference.metrics import Agreement, ClassScore, Evaluation
from reszoo.inference.net2net import Net2NetResult
from reszoo.inference.predict import Prediction
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
