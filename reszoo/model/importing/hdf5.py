"""Which weights are in an HDF5 file of Keras's? By layer and weight, in both of its layouts.

The old layout (`.h5`) names layers and weights. The new one (`.weights.h5`, and inside `.keras`)
numbers a layer's weights and keeps the layer's name as an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py

_NEW_ORDER = {
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
    2: ("kernel", "bias"),
    1: ("kernel",),
}
"""A layer's weights by how many there are, in the order in which Keras numbers them."""


class LinkError(ValueError):
    """A name in the file stands for something outside of it."""


class NamelessError(ValueError):
    """The file does not say what its layers are called."""


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every weight as `layer/weight`, such as `conv1_conv/kernel`; optimizers are left out.

    Raises:
      LinkError: something in it points out of the file.
      NamelessError: it is of the new layout, without names.
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
            # `conv1_conv/kernel:0` of TensorFlow's days is `conv1_conv/kernel` today
            yield f"{layer}/{weight.rpartition('/')[2].partition(':')[0]}", _dataset(group, weight)


def _names(group: h5py.Group, key: str) -> list[str]:
    """A list of names, which Keras cuts in pieces where it is too long for one attribute."""
    if key in group.attrs:
        return [_text(name) for name in group.attrs[key]]
    names: list[str] = []
    number = 0
    while f"{key}{number}" in group.attrs:
        names += [_text(name) for name in group.attrs[f"{key}{number}"]]
        number += 1
    return names


def _numbered(layers: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for key in layers:
        group = _child(layers, key)
        if "vars" not in group:
            continue
        variables = _child(group, "vars")
        if not len(variables):
            continue
        if "name" not in variables.attrs:
            raise NamelessError(key)
        layer = _text(variables.attrs["name"])
        order = _NEW_ORDER.get(len(variables), ())
        for number in sorted(variables, key=_number):
            index = _number(number)
            weight = order[index] if index < len(order) else f"weight {index}"
            yield f"{layer}/{weight}", _dataset(variables, number)


def _number(key: str) -> int:
    return int(key) if key.isdecimal() else len(_NEW_ORDER) + 1


def _child(group: h5py.Group, name: str) -> Any:
    """A member of the file itself; a link could read any other file of this machine."""
    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise LinkError(name) if part in group else KeyError(name)
        group = group[part]
    return group


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    found = _child(group, name)
    if not isinstance(found, h5py.Dataset):
        raise KeyError(name)
    if found.is_virtual or found.external:
        raise LinkError(name)
    return found


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
