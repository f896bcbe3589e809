"""Keras's HDF5 files in both layouts: weights by layer and name.

The old layout (`.h5`) names layers and weights. The new one (`.weights.h5`, and inside `.keras`)
numbers a layer's weights and stores the layer's name as an attribute.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import h5py

_WEIGHT_ORDER = {
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
    2: ("kernel", "bias"),
    1: ("kernel",),
}
"""A layer's weights in the order in which Keras numbers them, by their count."""


class LinkError(ValueError):
    """A name in the file links to something outside the file."""


class MissingNamesError(ValueError):
    """The file has no names of its layers."""


def weight_datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Returns every weight by `layer/weight`, such as `conv1_conv/kernel`, without optimizers.

    Raises:
      LinkError: the file links to something outside itself.
      MissingNamesError: the file has the new layout without layer names.
    """
    root = _child(file, "model_weights") if "model_weights" in file else file
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        return dict(_named(root))
    if "layers" in root:
        return dict(_numbered(_child(root, "layers")))
    return {}


def _named(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for layer in _names(root, "layer_names"):
        group = _child(root, layer)
        for weight in _names(group, "weight_names"):
            # Older versions of Keras wrote `conv1_conv/kernel:0` for `conv1_conv/kernel`.
            yield f"{layer}/{weight.rpartition('/')[2].partition(':')[0]}", _dataset(group, weight)


def _names(group: h5py.Group, key: str) -> list[str]:
    """Returns a list of names, which Keras splits where it is too long for one attribute."""
    chunks = itertools.takewhile(group.attrs.__contains__, (f"{key}{n}" for n in itertools.count()))
    keys = [key] if key in group.attrs else chunks
    return [_decode(name) for chunk in keys for name in group.attrs[chunk]]


def _numbered(layers: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for key in layers:
        group = _child(layers, key)
        variables: Any = _child(group, "vars") if "vars" in group else ()
        if not len(variables):
            continue
        if "name" not in variables.attrs:
            raise MissingNamesError(key)
        layer = _decode(variables.attrs["name"])
        order = _WEIGHT_ORDER.get(len(variables), ())
        for number in sorted(variables, key=_number):
            index = _number(number)
            weight = order[index] if index < len(order) else f"weight {index}"
            yield f"{layer}/{weight}", _dataset(variables, number)


def _number(key: str) -> int:
    return int(key) if key.isdecimal() else len(_WEIGHT_ORDER) + 1


def _child(group: h5py.Group, name: str) -> Any:
    """Returns a member of the file itself; a link could read any other file on the machine."""
    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise LinkError(name) if part in group else KeyError(name)
        group = group[part]
    return group


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    dataset = _child(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise KeyError(name)
    if dataset.is_virtual or dataset.external:
        raise LinkError(name)
    return dataset


def _decode(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
