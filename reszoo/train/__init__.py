"""Training and what needs a trained network: evaluation and prediction."""

from reszoo.train.evaluate import evaluate
from reszoo.train.folded import Folded, fold
from reszoo.train.growing import Grown, deepen, widen
from reszoo.train.loading import Target, Trained, load_trained
from reszoo.train.predict import Prediction, predict
from reszoo.train.prepare import ClassWeights
from reszoo.train.scores import Agreement, ClassScore, Evaluation
from reszoo.train.signals import TrainingStopped
from reszoo.train.training import resume, train

__all__ = [
    "Agreement",
    "ClassScore",
    "ClassWeights",
    "Evaluation",
    "Folded",
    "Grown",
    "Prediction",
    "Target",
    "Trained",
    "TrainingStopped",
    "deepen",
    "evaluate",
    "fold",
    "load_trained",
    "predict",
    "resume",
    "train",
    "widen",
]
