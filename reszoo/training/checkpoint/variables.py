"""Variables of models, optimizers and metrics as named arrays, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.copy_weights import finalize_normalization
from reszoo.training.checkpoint.checkpoint_file import Arrays


def read_variables(**owners: Any) -> Arrays:
    """Returns every variable of models, optimizers and metrics, by owner, position and name.

    `model.variables` holds the states of seed generators too, unlike `model.weights`.
    """
    named = (pair for name, owner in owners.items() for pair in _named_variables(name, owner))
    return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in named}


def write_variables(arrays: Arrays, **owners: Any) -> None:
    """Assigns the values that `read_variables` returned.

    Raises:
      UserError: they belong to another network or optimizer; nothing is assigned.
    """
    named = [pair for name, owner in owners.items() for pair in _named_variables(name, owner)]
    for name, variable in named:
        if name not in arrays or arrays[name].shape != tuple(variable.shape):
            raise UserError(
                "a checkpoint belongs to another network or recipe",
                expected=f"{name} of shape {tuple(variable.shape)}",
                found=str(arrays[name].shape) if name in arrays else "no such variable",
                hint="restore architecture.yaml and recipe.yaml of the run as they were written",
            )
    for name, variable in named:
        variable.assign(arrays[name])
    for owner in owners.values():
        if isinstance(owner, keras.Model):
            finalize_normalization(owner)


def all_finite(arrays: Arrays) -> bool:
    """Whether all floating-point numbers in the arrays are finite."""
    return all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")


def _named_variables(name: str, owner: Any) -> Iterator[tuple[str, Any]]:
    for position, variable in enumerate(owner.variables):
        # Keras numbers seed generators within a process, so their paths differ in the next one.
        seed = variable.name == "seed_generator_state"
        yield f"{name}/{position}/{variable.name if seed else variable.path}", variable
