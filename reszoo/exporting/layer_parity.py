"""Layer-by-layer comparison of a `.tflite` with the Keras model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from reszoo.model.build import deep_recursion
from reszoo.tflite.interpreter import TFLiteInterpreter

# Float layers differ by rounding, about 1e-6; int8 layers by a few percent, and more with depth.
_FLOAT_LIMIT = 1e-4
_INT8_LIMIT = 0.25


@dataclass(frozen=True)
class LayerDifference:
    """Difference of one layer's output in the .tflite from the Keras layer's."""

    layer: str
    """Name of the layer, as in the plan."""
    fused: tuple[str, ...]
    """Layers that one operator of the .tflite computes, this one last."""
    operator: str
    relative: float
    """Root mean square of the difference, relative to that of the Keras output."""
    greatest: float
    """Largest absolute difference."""


def compare_layers(
    reference: keras.Model, content: bytes, images: np.ndarray
) -> tuple[LayerDifference, ...]:
    """Compares every layer that both have, in the execution order of the .tflite.

    Layers that the converter fused into a later one have no output of their own there. A few images
    `(images, height, width, channels)` suffice; each runs without fast kernels.
    """
    interpreter = TFLiteInterpreter(content, kernels="plain", keep_tensors=True)
    layers = {layer.name: layer for layer in reference.layers if _has_one_output(layer)}
    observable = list(_observable(interpreter, layers))
    expected = _keras_outputs(reference, [layers[fused[-1]] for _, fused, _ in observable], images)
    actual = _tflite_outputs(interpreter, [tensor for _, _, tensor in observable], images)
    return tuple(
        _difference(operator, fused, *outputs)
        for (operator, fused, _), *outputs in zip(observable, expected, actual, strict=True)
    )


def first_divergent_layer(
    differences: Iterable[LayerDifference], *, int8: bool
) -> LayerDifference | None:
    """Returns the first layer beyond what its arithmetic explains, else the worst layer."""
    layers = list(differences)
    limit = _INT8_LIMIT if int8 else _FLOAT_LIMIT
    divergent = (layer for layer in layers if not layer.relative <= limit)  # NaN diverges
    return next(divergent, max(layers, key=lambda layer: layer.relative, default=None))


def _observable(
    interpreter: TFLiteInterpreter, layers: dict[str, keras.layers.Layer]
) -> Iterator[tuple[str, tuple[str, ...], dict]]:
    """Yields operators whose output is a layer's output: (operator, fused layers, tensor).

    The converter names a tensor after everything that it fused into it, as in
    `net_1/relu_1/Relu;net_1/norm_1/add;net_1/conv_1/Conv2D`. A layer may be spread over operators
    (a normalisation before a ReLU becomes a multiplication and an addition with ReLU), so that the
    last operator that names it decides: only if nothing later is fused there does it output the
    layer.
    """
    operators = list(interpreter.operators())
    order = {name: position for position, name in enumerate(layers)}
    names = layer_names([tensor["name"] for _, tensor in operators], order)
    last = {layer: index for index, fused in enumerate(names) for layer in fused}
    for index, ((operator, tensor), fused) in enumerate(zip(operators, names, strict=True)):
        if fused and last[fused[-1]] == index and _same_size(layers[fused[-1]], tensor):
            yield operator, fused, tensor


def layer_names(tensors: list[str], order: dict[str, int]) -> list[tuple[str, ...]]:
    """Returns the layers that each tensor names, in the model's order.

    TensorFlow numbers the scopes of a graph that is traced again (`conv_1` is then the layer
    `conv`), all by the same number: the number that explains most names is the right one.
    """
    scopes = [
        {scope for part in name.split(";") for scope in part.split("/")[1:-1]} for name in tensors
    ]
    suffixes = {""} | {match for name in tensors for match in re.findall(r"_\d+(?=/)", name)}

    def read(suffix: str) -> list[tuple[str, ...]]:
        names = [
            {scope.removesuffix(suffix) for scope in group if scope.endswith(suffix)}
            for group in scopes
        ]
        return [tuple(sorted(group & order.keys(), key=order.__getitem__)) for group in names]

    return max(map(read, sorted(suffixes)), key=lambda names: sum(map(len, names)))


def _has_one_output(layer: keras.layers.Layer) -> bool:
    called_once = len(layer._inbound_nodes) == 1 and not isinstance(layer, keras.layers.InputLayer)
    return called_once and isinstance(layer.output, keras.KerasTensor)


def _same_size(layer: keras.layers.Layer, tensor: dict) -> bool:
    return math.prod(layer.output.shape[1:]) == math.prod(int(side) for side in tensor["shape"][1:])


def _keras_outputs(
    model: keras.Model, layers: list[keras.layers.Layer], images: np.ndarray
) -> list[np.ndarray]:
    with deep_recursion(len(model.layers)):
        probe = keras.Model(model.inputs[0], [layer.output for layer in layers])
    with tf.device("CPU:0"):
        outputs = probe(images, training=False)
    return [np.asarray(output, np.float32) for output in keras.tree.flatten(outputs)]


def _tflite_outputs(
    interpreter: TFLiteInterpreter, details: list[dict], images: np.ndarray
) -> list[np.ndarray]:
    rows = []
    for image in images:
        interpreter.invoke(image)
        rows.append([interpreter.tensor(tensor) for tensor in details])
    return [np.concatenate(tensors) for tensors in zip(*rows, strict=True)]


def _difference(
    operator: str, fused: tuple[str, ...], expected: np.ndarray, actual: np.ndarray
) -> LayerDifference:
    difference = actual.reshape(expected.shape) - expected
    size, error = _root_mean_square(expected), _root_mean_square(difference)
    return LayerDifference(
        layer=fused[-1],
        fused=fused,
        operator=operator,
        relative=error / size if size else error,
        greatest=float(np.abs(difference).max()),
    )


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
