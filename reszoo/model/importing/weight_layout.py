"""The interface of a weight layout: how a file names weights, and the spec that they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from reszoo.errors import UserError
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture

_KERAS_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "conv": ("kernel", "bias"),
    "conv1d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "group_norm": ("gamma", "beta"),
    "norm": ("gamma", "beta", "moving_mean", "moving_variance"),
    "scale": ("factor",),
}
"""By op: Keras's names of a layer's weights."""


class WeightLayout(Protocol):
    """How a file names the weights of a network, and the spec that they need."""

    title: str

    def adapt_spec(self, spec: Architecture) -> Architecture:
        """Returns the spec as the weights need it."""

    def tensor_names(self, row: Row, spec: Architecture) -> dict[str, str]:
        """Returns the tensors of a row by the names of its Keras weights."""

    def absorbed_bias(self, row: Row) -> str | None:
        """Returns a bias that the file may have and the row lacks; its norm absorbs it."""
        return None

    def is_ignored(self, tensor: str) -> bool:
        """Returns whether no network needs the tensor."""
        return False

    def to_keras(self, row: Row, weight: str, values: np.ndarray, *, is_first: bool) -> np.ndarray:
        """Converts a tensor for the Keras weight; `is_first` marks the layer that reads images."""
        return values


def weight_names(row: Row) -> list[str]:
    """Returns Keras's names of the weights of a row."""
    has_bias = row.attributes.get("bias")
    return [name for name in _KERAS_WEIGHTS[row.op] if has_bias or name != "bias"]


def no_counterpart(title: str, row: Row, spec: Architecture, expected: str) -> UserError:
    """Returns the error for a row that a layout has no tensors for."""
    return UserError(
        f"{title} has no counterpart of the layer '{row.name}'",
        where=spec.name,
        expected=expected,
        found=f"a layer that is the {row.tags.role.replace('_', ' ')}'s {row.tags.part}",
        hint="use the weights with the spec they belong to, such as resnet50",
    )
