"""Conversion of a weights file: each tensor maps to one Keras weight, and none is left over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.importing.channels import adapt_kernel
from reszoo.model.importing.weight_layout import WeightLayout
from reszoo.model.importing.weights_file import Shape, WeightsFile
from reszoo.model.initializers import kernel_initializer
from reszoo.planning.rows import Plan, Row
from reszoo.spec.architecture import Architecture
from reszoo.spec.per_axis import axes

_LISTED_NAMES = 4  # in a message, before it counts the rest
_MAX_ELEMENTS = 1 << 28  # of one tensor; the largest of these networks has 19 million


@dataclass(frozen=True, slots=True)
class WeightMapping:
    """A Keras weight and the tensor that it is converted from."""

    row: Row
    weight: str
    """The Keras weight's name, such as `kernel`."""
    tensor: str
    bias: str | None = None
    """A convolution's bias, subtracted from the moving mean of the next norm: BN(x + b) with mean m
    is BN(x) with mean m - b."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The conversion of a weights file to a network's weights."""

    spec: Architecture
    rows: Plan
    layout: WeightLayout
    file: WeightsFile
    new_head: bool
    config_architecture: str | None = None
    """The network's name in timm's config.json."""

    def map_weights(self) -> tuple[WeightMapping, ...]:
        """Maps each tensor to its Keras weight.

        Raises:
          UserError: tensors are missing, left over or misshapen, or the number of classes differs;
            all tensors concerned are named.
        """
        mappings = list(self._mappings())
        # A file without classifier is enough for a new head.
        required = [item for item in mappings if not (self.new_head and _in_head(item.row))]
        shapes = self.file.shapes
        missing = [mapping.tensor for mapping in required if mapping.tensor not in shapes]
        known = {name for mapping in mappings for name in (mapping.tensor, mapping.bias)}
        unused = [name for name in shapes if name not in known and not self.layout.is_ignored(name)]
        misshapen = [] if missing else [text for m in required if (text := self._misfit(m))]
        if missing or unused or misshapen:
            raise self._refusal(missing, unused, misshapen)
        return tuple(required)

    def assign(
        self, model: keras.Model, mappings: Sequence[WeightMapping], seed: int | None
    ) -> None:
        """Assigns the weights one tensor at a time, and initialises a new head."""
        layers = {layer.name: layer for layer in model.layers}
        for mapping in mappings:
            variables = {weight.name: weight for weight in layers[mapping.row.name].weights}
            values = self._to_keras(mapping, self.file.read(mapping.tensor))
            if mapping.bias is not None:
                values = values - self.file.read(mapping.bias)
            variables[mapping.weight].assign(values)
        if self.new_head:
            for row in self.rows.rows:
                if _in_head(row) and "kernel_initializer" in row.attributes:
                    kernel, initialize = layers[row.name].kernel, kernel_initializer(row, seed)
                    kernel.assign(initialize(tuple(kernel.shape), dtype=kernel.dtype))

    def _mappings(self) -> Iterator[WeightMapping]:
        biases = self._absorbed_biases()
        for row in self.rows.rows:
            names = self.layout.tensor_names(row, self.spec) if row.parameters else {}
            for weight, tensor in names.items():
                bias = biases.get(row.name) if weight == "moving_mean" else None
                yield WeightMapping(row, weight, tensor, bias)

    def _absorbed_biases(self) -> dict[str, str]:
        """Returns, by norm, the bias of the convolution before it that only the file has."""
        readers: dict[str, list[Row]] = {}
        for row in self.rows.rows:
            for ref in row.inputs:
                readers.setdefault(ref.row, []).append(row)
        biases = {}
        for row in self.rows.rows:
            bias, next_rows = self.layout.absorbed_bias(row), readers.get(row.name, [])
            feeds_norm = [reader.op for reader in next_rows] == ["norm"]
            if bias and bias in self.file.shapes and feeds_norm:
                biases[next_rows[0].name] = bias
        return biases

    def _to_keras(self, mapping: WeightMapping, values: np.ndarray) -> np.ndarray:
        first = next((row.name for row in self.rows.rows if row.op == "conv"), None)
        is_first = mapping.row.name == first and mapping.weight == "kernel"
        values = self.layout.to_keras(mapping.row, mapping.weight, values, is_first=is_first)
        return adapt_kernel(values, self.spec) if is_first else values

    def _keras_shape(self, mapping: WeightMapping) -> Shape | None:
        """Returns the shape of the unread tensor when converted; None if it cannot be."""
        placeholder = np.broadcast_to(np.float32(0), self.file.shapes[mapping.tensor])
        try:
            return self._to_keras(mapping, placeholder).shape
        except (ValueError, IndexError):
            return None

    def _misfit(self, mapping: WeightMapping) -> str | None:
        """Describes a tensor whose shape does not fit; None if it fits."""
        shapes, row = self.file.shapes, mapping.row
        shape, expected = shapes[mapping.tensor], weight_shape(self.rows, row, mapping.weight)
        if math.prod(shape) > _MAX_ELEMENTS:
            return f"{mapping.tensor} {shape}"
        bias_fits = mapping.bias is None or shapes[mapping.bias] == expected
        if bias_fits and self._keras_shape(mapping) == expected:
            return None
        return f"{mapping.tensor} {shape} for {mapping.weight} {expected} of {row.name}"

    def _refusal(self, missing: list[str], unused: list[str], misshapen: list[str]) -> UserError:
        if not missing and not unused and (classes := self._other_classes(misshapen)):
            return UserError(
                f"{self.file.path} has {classes} classes, not {self.spec.classes}",
                expected=f"weights for {self.spec.classes} classes",
                found=f"a head of {classes}",
                hint=f"build it with {classes} classes; `reszoo train --weights` fine-tunes on "
                "others, with a new head",
            )
        head = [item.tensor for item in self._mappings() if _in_head(item.row)]
        if missing == head and not unused:
            return UserError(
                f"the weights in {self.file.path} have no head",
                expected=f"a classifier of {self.spec.classes} classes",
                found=f"all of the network but its head; missing: {_some(missing)}",
                hint="train with them: `reszoo train --weights` draws a new head",
            )
        problems = [("missing", missing), ("left over", unused), ("misshapen", misshapen)]
        found = "; ".join(f"{what}: {_some(names)}" for what, names in problems if names)
        network = self.config_architecture or f"named as {self.layout.title} names its layers"
        return UserError(
            f"the weights in {self.file.path} do not fit {self.spec.name}",
            expected="a tensor for every layer, a layer for every tensor",
            found=found,
            hint=f"build the network they were made for ({network})",
        )

    def _other_classes(self, misshapen: list[str]) -> int | None:
        """Returns the file's number of classes if nothing else is wrong."""
        head = [mapping for mapping in self._mappings() if mapping.row.tags.part == "logits"]
        wrong = [mapping for mapping in head if self._misfit(mapping)]
        if not wrong or len(wrong) != len(misshapen):
            return None
        kernel = next(mapping for mapping in head if mapping.weight == "kernel")
        shape, expected = self._keras_shape(kernel), weight_shape(self.rows, kernel.row, "kernel")
        return shape[-1] if shape and shape[0] == expected[0] else None


def weight_shape(rows: Plan, row: Row, weight: str) -> Shape:
    """Returns the shape of a Keras weight, from the plan."""
    if row.op == "scale":
        return () if row.attributes["granularity"] == "scalar" else (row.shape[-1],)
    if weight != "kernel":
        return (row.shape[-1],)
    channels: Any = rows.row(row.inputs[0].row).shape[-1]
    if row.op == "dense":
        return (channels, row.attributes["units"])
    size, filters = row.attributes["kernel"], row.attributes["filters"]
    if row.op == "conv1d":
        return (size, channels, filters)
    return (*axes(size), channels // row.attributes["groups"], filters)


def _in_head(row: Row) -> bool:
    return row.tags.role == "head"


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED_NAMES
    return ", ".join(names[:_LISTED_NAMES]) + (f" and {more} more" if more > 0 else "")
