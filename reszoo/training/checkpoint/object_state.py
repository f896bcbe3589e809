"""What does an object remember, in words and arrays that a state file can hold?

Keras callbacks have no way to save what they know: how long EarlyStopping waits, which weights were
the best. It stands in their attributes, and most of these are plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from reszoo.training.checkpoint.checkpoints import Arrays


class NotPlain(TypeError):
    """A value that cannot be written down: a file, a model, a function."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value written down: a tree of JSON in which `{"array": n}` stands for the n-th array."""

    tree: Any
    arrays: list[np.ndarray] = field(default_factory=list)

    def same_as(self, other: Written | None) -> bool:
        """Whether both were written from equal values."""
        return (
            other is not None
            and self.tree == other.tree
            and len(self.arrays) == len(other.arrays)
            and all(map(_equal, self.arrays, other.arrays))
        )


def write(value: Any) -> Written:
    """Writes a value down, exactly, and independent of what becomes of it.

    Raises:
      NotPlain: it holds something else than numbers, text, arrays, lists, tuples, sets, dicts and
        comparisons of Keras.
    """
    arrays: list[np.ndarray] = []
    return Written(_tree(value, arrays), arrays)


def read(written: Written) -> Any:
    """The value that was written down."""
    return _value(written.tree, written.arrays)


def attributes(owner: Any) -> dict[str, Written]:
    """The plain attributes of an object; others do not stand in it."""
    found = {}
    for name, value in vars(owner).items():
        try:
            found[name] = write(value)
        except NotPlain:
            continue
    return found


def to_arrays(written: Mapping[str, Written]) -> Arrays:
    """Several values as arrays alone, to lie beside the variables in a state."""
    trees = {name: [one.tree, len(one.arrays)] for name, one in written.items()}
    arrays = {
        f"{name}/{number}": array
        for name, one in written.items()
        for number, array in enumerate(one.arrays)
    }
    return {"trees": np.frombuffer(json.dumps(trees).encode(), np.uint8), **arrays}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, Written]:
    """The values that `to_arrays` was given."""
    trees: dict[str, Any] = json.loads(arrays["trees"].tobytes())
    return {
        name: Written(tree, [arrays[f"{name}/{number}"] for number in range(count)])
        for name, (tree, count) in trees.items()
    }


def _tree(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1, "scalar": isinstance(value, np.generic)}
    if type(value) is list:
        return [_tree(one, arrays) for one in value]
    if type(value) in (tuple, set):
        return {type(value).__name__: [_tree(one, arrays) for one in value]}
    if type(value) is dict:
        pairs = [[_tree(key, arrays), _tree(one, arrays)] for key, one in value.items()]
        return {"dict": pairs}
    name = getattr(value, "__name__", "")
    if value is not None and getattr(keras.ops, name, None) is value:
        return {"keras.ops": name}  # `less` or `greater`, with which callbacks tell the better.
    raise NotPlain(type(value).__name__)


def _value(tree: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_value(one, arrays) for one in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        array = arrays[tree["array"]]
        return array[()] if tree["scalar"] else np.array(array)
    ((kind, content),) = tree.items()
    if kind == "keras.ops":
        return getattr(keras.ops, content)
    if kind == "dict":
        return {_value(key, arrays): _value(one, arrays) for key, one in content}
    make: Callable[..., Any] = {"tuple": tuple, "set": set}[kind]
    return make(_value(one, arrays) for one in content)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool(np.all(one == other))
