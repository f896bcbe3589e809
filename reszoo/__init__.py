"""Residual, plain and highway networks from a page of YAML to an int8 file.

    >>> import reszoo
    >>> spec = reszoo.load("resnet50")
    >>> reszoo.cost(spec).parameters
    25557032

Names are imported when they are first used, so that `import reszoo` takes milliseconds and only
what needs TensorFlow pays for it. A `.keras` file with layers of reszoo's own opens with
`reszoo.load_model`, or with Keras when `import keras` comes before `import reszoo`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from reszoo.lazy import lazy_exports
from reszoo.version import VERSION as __version__

if TYPE_CHECKING:
    from reszoo.errors import GateError, MachineError, ReszooError, UserError
    from reszoo.exporting.export import export
    from reszoo.exporting.verify import verify
    from reszoo.inference.evaluate import evaluate
    from reszoo.inference.folding import fold
    from reszoo.inference.net2net import deepen, widen
    from reszoo.inference.predict import predict
    from reszoo.model.build import build
    from reszoo.model.copy_weights import copy_weights
    from reszoo.model.features import features
    from reszoo.model.importing.pretrained import load_pretrained
    from reszoo.model.saving import load_model, save_model
    from reszoo.planning.connections import register_connection
    from reszoo.planning.cost import cost
    from reszoo.planning.network import plan
    from reszoo.planning.transforms import register_transform
    from reszoo.spec.loader import load
    from reszoo.training.console.signals import TrainingStopped
    from reszoo.training.options import ClassWeights
    from reszoo.training.train import resume, train
    from reszoo.tuning.tune import tune

__all__ = [
    "ClassWeights",
    "GateError",
    "MachineError",
    "ReszooError",
    "TrainingStopped",
    "UserError",
    "__version__",
    "build",
    "copy_weights",
    "cost",
    "deepen",
    "evaluate",
    "export",
    "features",
    "fold",
    "load",
    "load_model",
    "load_pretrained",
    "plan",
    "predict",
    "register_connection",
    "register_transform",
    "resume",
    "save_model",
    "train",
    "tune",
    "verify",
    "widen",
]

_MODULES = {
    "ClassWeights": "reszoo.training.options",
    "GateError": "reszoo.errors",
    "MachineError": "reszoo.errors",
    "ReszooError": "reszoo.errors",
    "TrainingStopped": "reszoo.training.console.signals",
    "UserError": "reszoo.errors",
    "build": "reszoo.model.build",
    "copy_weights": "reszoo.model.copy_weights",
    "cost": "reszoo.planning.cost",
    "deepen": "reszoo.inference.net2net",
    "evaluate": "reszoo.inference.evaluate",
    "export": "reszoo.exporting.export",
    "features": "reszoo.model.features",
    "fold": "reszoo.inference.folding",
    "load": "reszoo.spec.loader",
    "load_model": "reszoo.model.saving",
    "load_pretrained": "reszoo.model.importing.pretrained",
    "plan": "reszoo.planning.network",
    "predict": "reszoo.inference.predict",
    "register_connection": "reszoo.planning.connections",
    "register_transform": "reszoo.planning.transforms",
    "resume": "reszoo.training.train",
    "save_model": "reszoo.model.saving",
    "train": "reszoo.training.train",
    "tune": "reszoo.tuning.tune",
    "verify": "reszoo.exporting.verify",
    "widen": "reszoo.inference.net2net",
}
"""Public name: the module that defines it."""


__getattr__ = lazy_exports(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "keras" in sys.modules:  # Keras opens a file only if each class in it is registered.
    importlib.import_module("reszoo.model.layers")
