"""Training: a spec, a recipe and data become a run folder."""

from reszoo.training.console.signals import TrainingStopped
from reszoo.training.distribution.strategy import DeviceSetup, DistributionOptions
from reszoo.training.job import ClassWeights, TrainingJob

__all__ = ["ClassWeights", "DeviceSetup", "DistributionOptions", "TrainingJob", "TrainingStopped"]
