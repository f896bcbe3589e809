"""Where the files that travel with reszoo lie: zoo_configs/ and export/targets/.

From a checkout (or an editable install) they are read in place; a wheel carries them inside the
package, under `reszoo/_resources/`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def _root() -> Path:
    carried = _PACKAGE / "_resources"
    return carried if carried.is_dir() else _PACKAGE.parent


def zoo_folder() -> Path:
    """The folder of architecture specs, recipes, searches and the golden cost file."""
    return _root() / "zoo_configs"


def targets_folder() -> Path:
    """The folder of export targets."""
    return _root() / "export" / "targets"
