"""Training and what needs a trained network: evaluation and prediction."""

from reszoo.train.evaluate import evaluate
from reszoo.train.growing import Grown, deepen, widen
from reszoo.train.loading import Target, Trained, load_trained
from reszoo.train.predict import Prediction, predict
from reszoo.train.prepare import ClassWeights
from reszoo.train.scores import ClassScore, Evaluation
from reszoo.train.signals import TrainingStopped
from reszoo.train.training import resume, train

__all__ = [
    "ClassScore",
    "ClassWeights",
    "Evaluation",
    "Grown",
    "Prediction",
    "Target",
    "Trained",
    "TrainingStopped",
    "deepen",
    "evaluate",
    "load_trained",
    "predict",
    "resume",
    "train",
    "widen",
]
