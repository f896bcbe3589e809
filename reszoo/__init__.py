"""Residual, plain and highway networks from a page of YAML to an int8 file.

    >>> import reszoo
    >>> spec = reszoo.load("resnet50")
    >>> reszoo.cost(spec).parameters
    25557032

Nothing here is imported before it is asked for, so that `import reszoo` takes milliseconds and only
what needs TensorFlow pays for it.

`plan`, `train`, `export` and `tune` are the packages of those names and, called, the function of
that name inside: `reszoo.train(spec)` is `reszoo.train.train(spec)`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from reszoo.keras_hook import register_layers_with_keras
from reszoo.version import VERSION as __version__

if TYPE_CHECKING:
    from inspect import Signature

    from reszoo.errors import GateError, MachineError, ReszooError, UserError
    from reszoo.export import export
    from reszoo.model import build, features, load_pretrained
    from reszoo.model import load as load_model
    from reszoo.model import save as save_model
    from reszoo.plan import cost, plan, register_connection, register_transform
    from reszoo.spec import load
    from reszoo.train import resume, train
    from reszoo.train.evaluate import evaluate
    from reszoo.train.folded import fold
    from reszoo.train.growing import deepen, widen
    from reszoo.train.predict import predict
    from reszoo.tune import tune

__all__ = [
    "GateError",
    "MachineError",
    "ReszooError",
    "UserError",
    "__version__",
    "build",
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
    "widen",
]

_HOMES = {
    "GateError": ("reszoo.errors", "GateError"),
    "MachineError": ("reszoo.errors", "MachineError"),
    "ReszooError": ("reszoo.errors", "ReszooError"),
    "UserError": ("reszoo.errors", "UserError"),
    "build": ("reszoo.model", "build"),
    "cost": ("reszoo.plan", "cost"),
    "deepen": ("reszoo.train", "deepen"),
    "evaluate": ("reszoo.train", "evaluate"),
    "features": ("reszoo.model", "features"),
    "fold": ("reszoo.train", "fold"),
    "load": ("reszoo.spec", "load"),
    "load_model": ("reszoo.model", "load"),
    "load_pretrained": ("reszoo.model", "load_pretrained"),
    "predict": ("reszoo.train", "predict"),
    "register_connection": ("reszoo.plan", "register_connection"),
    "register_transform": ("reszoo.plan", "register_transform"),
    "resume": ("reszoo.train", "resume"),
    "save_model": ("reszoo.model", "save"),
    "widen": ("reszoo.train", "widen"),
}
"""Public name: the module it lives in and its name there."""

_CALLABLE_PACKAGES = ("plan", "train", "export", "tune")


class _CallablePackage(ModuleType):
    """A package that, called, is the function of its own name inside it."""

    @property
    def _function(self) -> Any:
        return vars(self)[self.__name__.rpartition(".")[2]]

    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        return signature(self._function)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function(*arguments, **options)


class _Package(ModuleType):
    """This package: hands names out lazily and makes four of its parts callable as they come."""

    def __getattr__(self, name: str) -> Any:
        if name in _CALLABLE_PACKAGES:
            return importlib.import_module(f"{self.__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, inside = _HOMES[name]
        value = getattr(importlib.import_module(module), inside)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Python sets a part here as soon as anybody has imported it.
        if name in _CALLABLE_PACKAGES and isinstance(value, ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
register_layers_with_keras()
