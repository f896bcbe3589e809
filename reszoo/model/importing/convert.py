"""Where does each tensor go? Every weight must find its place, and every place its weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.importing.channels import fitting_kernel
from reszoo.model.importing.layouts import Layout
from reszoo.model.importing.tensors import Shape, Tensors
from reszoo.model.initializers import kernel_initializer
from reszoo.planning.rows import Plan, Row
from reszoo.spec.architecture import Architecture

_NAMED = 4
"""How many names a message tells before it counts the others."""

_LARGEST = 1 << 28
"""Numbers in one tensor; the largest of these networks has 19 million."""


@dataclass(frozen=True, slots=True)
class WeightMapping:
    """One Keras weight and the tensor it is made of."""

    row: Row
    weight: str
    """The Keras weight's name, such as `kernel`."""
    tensor: str
    bias: str | None = None
    """A convolution's bias, taken off the moving mean of the norm behind it: BN(x + b) with mean m
    is BN(x) with mean m - b."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a file's tensors become a network's weights."""

    spec: Architecture
    rows: Plan
    layout: Layout
    tensors: Tensors
    new_head: bool
    told: str | None = None
    """The network's name in timm's config.json."""

    def check(self) -> tuple[WeightMapping, ...]:
        """The place of each tensor.

        Raises:
          UserError: a tensor is missing, left over or misshapen, or classes differ; all are named.
        """
        places = list(self._places())
        # weights without a classifier will do where a new one is drawn
        kept = [place for place in places if not (self.new_head and _of_head(place.row))]
        here = self.tensors.shapes
        missing = [place.tensor for place in kept if place.tensor not in here]
        wanted = {name for place in places for name in (place.tensor, place.bias)}
        left = [name for name in here if name not in wanted and not self.layout.ignored(name)]
        misshapen = [] if missing else [text for place in kept if (text := self._misfit(place))]
        if missing or left or misshapen:
            raise self._refused(missing, left, misshapen)
        return tuple(kept)

    def fill(self, model: keras.Model, places: Sequence[WeightMapping], seed: int | None) -> None:
        """Gives the model its weights, one tensor at a time; a new head is drawn."""
        layers = {layer.name: layer for layer in model.layers}
        for place in places:
            variables = {one.name: one for one in layers[place.row.name].weights}
            variables[place.weight].assign(self._values(place))
        if self.new_head:
            for row in self.rows.rows:
                if _of_head(row) and "kernel_initializer" in row.attributes:
                    kernel = layers[row.name].kernel
                    kernel.assign(
                        kernel_initializer(row, seed)(tuple(kernel.shape), dtype=kernel.dtype)
                    )

    def _places(self) -> Iterator[WeightMapping]:
        biases = self._folded()
        for row in self.rows.rows:
            names = self.layout.tensors(row, self.spec) if row.parameters else {}
            for weight, tensor in names.items():
                bias = biases.get(row.name) if weight == "moving_mean" else None
                yield WeightMapping(row, weight, tensor, bias)

    def _folded(self) -> dict[str, str]:
        """By norm: the bias of the convolution it normalises, where only the file has one."""
        readers: dict[str, list[Row]] = {}
        for row in self.rows.rows:
            for ref in row.inputs:
                readers.setdefault(ref.row, []).append(row)
        folded = {}
        for row in self.rows.rows:
            bias = self.layout.folded(row)
            if bias is None or bias not in self.tensors.shapes:
                continue
            behind = readers.get(row.name, [])
            if [one.op for one in behind] == ["norm"]:
                folded[behind[0].name] = bias
        return folded

    def _values(self, place: WeightMapping) -> np.ndarray:
        values = self._ours(place, self.tensors.read(place.tensor))
        return values if place.bias is None else values - self.tensors.read(place.bias)

    def _ours(self, place: WeightMapping, values: np.ndarray) -> np.ndarray:
        first = place.row.name == self._first and place.weight == "kernel"
        values = self.layout.ours(place.row, place.weight, values, first=first)
        return fitting_kernel(values, self.spec) if first else values

    @property
    def _first(self) -> str | None:
        """The convolution that reads the image."""
        return next((row.name for row in self.rows.rows if row.op == "conv"), None)

    def _misfit(self, place: WeightMapping) -> str | None:
        """What is wrong with a tensor's shape; None where it fits."""
        theirs, wanted = self.tensors.shapes[place.tensor], shape_of(self.rows, place)
        if math.prod(theirs) > _LARGEST:
            return f"{place.tensor} {theirs}"
        try:
            # no numbers are read: this array has one value in memory
            ours = self._ours(place, np.broadcast_to(np.float32(0), theirs)).shape
        except (ValueError, IndexError):
            ours = None
        if ours == wanted and (place.bias is None or self.tensors.shapes[place.bias] == wanted):
            return None
        return f"{place.tensor} {theirs} for {place.weight} {wanted} of {place.row.name}"

    def _refused(self, missing: list[str], left: list[str], misshapen: list[str]) -> UserError:
        if not missing and not left and (classes := self._other_classes(misshapen)):
            return UserError(
                f"{self.tensors.path} has {classes} classes, not {self.spec.classes}",
                expected=f"weights for {self.spec.classes} classes",
                found=f"a head of {classes}",
                hint=f"build it with {classes} classes; `reszoo train --weights` fine-tunes on "
                "others, with a new head",
            )
        parts = [("missing", missing), ("left over", left), ("misshapen", misshapen)]
        found = "; ".join(f"{what}: {_some(names)}" for what, names in parts if names)
        told = self.told or f"named as {self.layout.title} names its layers"
        return UserError(
            f"the weights in {self.tensors.path} do not fit {self.spec.name}",
            expected="a tensor for every layer, a layer for every tensor",
            found=found,
            hint=f"build the network they were made for ({told})",
        )

    def _other_classes(self, misshapen: list[str]) -> int | None:
        """How many classes the file has, where nothing but that is wrong."""
        head = [place for place in self._places() if place.row.tags.part == "logits"]
        wrong = [place for place in head if self._misfit(place)]
        if not wrong or len(wrong) != len(misshapen):
            return None
        kernel = next(place for place in head if place.weight == "kernel")
        ours = self._ours(
            kernel, np.broadcast_to(np.float32(0), self.tensors.shapes[kernel.tensor])
        )
        return ours.shape[-1] if ours.shape[0] == shape_of(self.rows, kernel)[0] else None


def shape_of(rows: Plan, place: WeightMapping) -> Shape:
    """The shape of a Keras weight, from the plan."""
    row = place.row
    if row.op == "scale":
        return () if row.attributes["granularity"] == "scalar" else (row.shape[-1],)
    if place.weight != "kernel":
        return (row.shape[-1],)
    channels: Any = rows.row(row.inputs[0].row).shape[-1]
    if row.op == "dense":
        return (channels, row.attributes["units"])
    size, filters = row.attributes["kernel"], row.attributes["filters"]
    if row.op == "conv1d":
        return (size, channels, filters)
    return (size, size, channels // row.attributes["groups"], filters)


def _of_head(row: Row) -> bool:
    return row.tags.role == "head"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
