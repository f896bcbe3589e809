"""Training: a spec, a recipe and data become a run folder.

TensorFlow is imported only when it is needed: `reszoo.training.jobs` does without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.lazy import lazy_exports

if TYPE_CHECKING:
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

_MODULES = {
    "ClassWeights": "reszoo.training.options",
    "DataOptions": "reszoo.training.options",
    "DeviceSetup": "reszoo.training.distribution.strategy",
    "DistributionOptions": "reszoo.training.options",
    "InitialWeightsOptions": "reszoo.training.options",
    "TrainingJob": "reszoo.training.job",
    "TrainingStopped": "reszoo.training.console.signals",
}

__getattr__ = lazy_exports(__name__, _MODULES)
