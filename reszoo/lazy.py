"""Lazy exports: a package's public names that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from reszoo.quiet_import import quiet_import


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a package's `__getattr__` (PEP 562), which hides what TensorFlow prints at its start.

        >>> __getattr__ = lazy_exports("example", {"UserError": "reszoo.errors"})
        >>> __getattr__("UserError").exit_code
        2

    Args:
      package: the package's `__name__`.
      modules: the module that defines each name.
    """

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with quiet_import():
            return getattr(importlib.import_module(modules[name]), name)

    return __getattr__
