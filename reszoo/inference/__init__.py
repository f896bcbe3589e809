"""Inference: what needs a trained network and no optimizer."""

from reszoo.inference.folding import Folded
from reszoo.inference.metrics import Agreement, ClassScore, Evaluation
from reszoo.inference.net2net import Net2NetResult
from reszoo.inference.predict import Prediction
from reszoo.inference.trained import Target, TrainedModel

__all__ = [
    "Agreement",
    "ClassScore",
    "Evaluation",
    "Folded",
    "Net2NetResult",
    "Prediction",
    "Target",
    "TrainedModel",
]
