"""Training: a spec, a recipe and data become a run folder."""

from reszoo.training.console.signals import TrainingStopped
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.job import TrainingJob
from reszoo.training.options import (
    ClassWeights,
    DataOptions,
    DistributionOptions,
    InitialWeightsOptions,
)

__all__ = [
    "ClassWeights",
    "DataOptions",
    "DeviceSetup",
    "DistributionOptions",
    "InitialWeightsOptions",
    "TrainingJob",
    "TrainingStopped",
]
