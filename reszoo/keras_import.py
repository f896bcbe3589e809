"""Import of Keras in a process of reszoo's own, such as a command or a trial of a search."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator

from reszoo.gc_pause import pause_gc, skip_final_collection

UNUSED = ("IPython", "matplotlib", "pandas", "sklearn")
"""Packages that Keras imports where they are installed, for its wrappers of scikit-learn, its
galleries of images, its file editor and data frames."""


def import_lean_keras() -> None:
    """Imports Keras for a process that nobody but reszoo uses: half of the CPU time is saved.

    `import keras` alone takes a process 4.0 CPU seconds: 0.7 for garbage collections while it
    imports, 0.6 for `UNUSED`, and 0.9 for a last collection at exit. A user's own process gets no
    such import: it may want Keras's wrappers of scikit-learn, and its garbage may be in cycles that
    a frozen collector would never free.
    """
    if "keras" in sys.modules:
        return
    with pause_gc(), hidden_packages(*UNUSED):
        importlib.import_module("keras")
        gc.freeze()  # Nearly half a million objects that live as long as the process.
    skip_final_collection()


@contextlib.contextmanager
def hidden_packages(*names: str) -> Iterator[None]:
    """Lets packages that are not imported yet look as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # `import` raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
