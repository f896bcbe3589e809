"""The state of an object, such as a Keras callback, as JSON and arrays for a checkpoint.

Keras callbacks have no method that saves their state: the epochs that EarlyStopping has waited, the
weights that were the best. It is in their attributes, and most of these are plain values.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from reszoo.training.checkpoint.checkpoint_file import Arrays

_SAFETENSORS = frozenset(
    f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (16, 32, 64)
) | {"bool", "int8", "uint8"}
"""NumPy dtypes that safetensors stores; arrays of others are stored as the bytes of an `.npy`."""


class NotSerializable(TypeError):
    """A value that cannot be saved: a file, a model, a function."""


@dataclass(frozen=True, slots=True)
class Serialized:
    """A serialized value: a tree of JSON in which `{"array": n}` stands for the n-th array."""

    tree: Any
    arrays: list[np.ndarray] = field(default_factory=list)

    def equals(self, other: Serialized | None) -> bool:
        """Whether both were serialized from equal values."""
        return (
            other is not None
            and self.tree == other.tree
            and len(self.arrays) == len(other.arrays)
            and all(map(_equal, self.arrays, other.arrays))
        )


def serialize(value: Any) -> Serialized:
    """Serializes a value exactly, independent of later changes to it.

    Raises:
      NotSerializable: it holds something else than numbers, text, arrays, lists, tuples, sets,
        dicts and comparisons of Keras.
    """
    arrays: list[np.ndarray] = []
    return Serialized(_to_tree(value, arrays), arrays)


def deserialize(serialized: Serialized) -> Any:
    """Returns the value that was serialized."""
    return _from_tree(serialized.tree, serialized.arrays)


def serialize_attributes(owner: Any) -> dict[str, Serialized]:
    """Serializes the plain attributes of an object; others are left out."""
    state = {}
    for name, value in vars(owner).items():
        try:
            state[name] = serialize(value)
        except NotSerializable:
            continue
    return state


def to_arrays(state: Mapping[str, Serialized]) -> Arrays:
    """Returns several values as arrays alone, for a checkpoint."""
    trees = {name: [value.tree, len(value.arrays)] for name, value in state.items()}
    arrays = {
        f"{name}/{number}": array
        for name, value in state.items()
        for number, array in enumerate(value.arrays)
    }
    return {"trees": np.frombuffer(json.dumps(trees).encode(), np.uint8), **arrays}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, Serialized]:
    """Returns the values that `to_arrays` was given."""
    trees: dict[str, Any] = json.loads(arrays["trees"].tobytes())
    return {
        name: Serialized(tree, [arrays[f"{name}/{number}"] for number in range(count)])
        for name, (tree, count) in trees.items()
    }


def _to_tree(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return _array_to_tree(value, arrays)
    if type(value) is list:
        return [_to_tree(item, arrays) for item in value]
    if type(value) in (tuple, set):
        return {type(value).__name__: [_to_tree(item, arrays) for item in value]}
    if type(value) is dict:
        pairs = [[_to_tree(key, arrays), _to_tree(item, arrays)] for key, item in value.items()]
        return {"dict": pairs}
    name = getattr(value, "__name__", "")
    if value is not None and getattr(keras.ops, name, None) is value:
        return {"keras.ops": name}  # `less` or `greater`, by which callbacks compare metrics.
    raise NotSerializable(type(value).__name__)


def _array_to_tree(value: np.ndarray | np.generic, arrays: list[np.ndarray]) -> Any:
    array = np.array(value)
    tree = {"array": len(arrays), "scalar": isinstance(value, np.generic)}
    if array.dtype.name not in _SAFETENSORS or not array.dtype.isnative:
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        array, tree["npy"] = np.frombuffer(file.getvalue(), np.uint8), True
    arrays.append(array)
    return tree


def _from_tree(tree: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_from_tree(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        array = arrays[tree["array"]]
        if tree.get("npy"):
            array = np.load(io.BytesIO(array.tobytes()), allow_pickle=False)
        return array[()] if tree["scalar"] else np.array(array)
    ((kind, content),) = tree.items()
    if kind == "keras.ops":
        return getattr(keras.ops, content)
    if kind == "dict":
        return {_from_tree(key, arrays): _from_tree(item, arrays) for key, item in content}
    make: Callable[..., Any] = {"tuple": tuple, "set": set}[kind]
    return make(_from_tree(item, arrays) for item in content)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool(np.all(one == other))
