"""How does Keras come to know our layers, when `import reszoo` imports no Keras?

Keras opens a saved model only if every layer that is not its own was registered before. So the
layers are registered at once where Keras is already loaded, and else as soon as somebody loads it.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_LAYERS = "reszoo.model.layers"


def register_layers_with_keras() -> None:
    """Registers our layers now, or after the first `import keras`."""
    if "keras" in sys.modules:
        importlib.import_module(_LAYERS)
    else:
        sys.meta_path.insert(0, _KerasWatcher())


class _KerasWatcher(MetaPathFinder):
    """Stands before Python's own finders until Keras is asked for, then leaves."""

    def find_spec(
        self, name: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            _after_loading(spec.loader)
        return spec


def _after_loading(loader: Any) -> None:
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        importlib.import_module(_LAYERS)

    loader.exec_module = exec_module
