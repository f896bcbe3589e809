"""Paths of the files shipped with reszoo: zoo_configs/ and export/targets/.

A checkout or an editable install reads them in place; a wheel has them inside the package, under
`reszoo/_resources/`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def _root() -> Path:
    packaged = _PACKAGE / "_resources"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def zoo_folder() -> Path:
    """Returns the folder of architecture specs, recipes, searches and golden costs."""
    return _root() / "zoo_configs"


def targets_folder() -> Path:
    """Returns the folder of export targets."""
    return _root() / "export" / "targets"
