"""In which layer does a .tflite begin to differ from the Keras model?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from reszoo.inference.tflite_interpreter import TFLiteInterpreter
from reszoo.model.build import deep_recursion

# Float layers differ by rounding, about 1e-6; int8 layers by a few percent, and more with depth.
_FLOAT_LIMIT = 1e-4
_INT8_LIMIT = 0.25


@dataclass(frozen=True)
class LayerDifference:
    """How far one layer's output in the .tflite is from the same layer's in Keras."""

    layer: str
    """The layer, named as its row of the plan."""
    fused: tuple[str, ...]
    """The layers that one operator of the .tflite computes, this one last."""
    operator: str
    relative: float
    """Root mean square of the difference over that of the Keras output."""
    greatest: float
    """Greatest difference of one number."""


def compare_layers(
    reference: keras.Model, content: bytes, images: np.ndarray
) -> tuple[LayerDifference, ...]:
    """Every layer that both have, in the order in which the .tflite computes them.

    Layers that the converter fused into a later one have no output of their own there.

    Args:
      reference: the Keras model, layers named after the plan's rows.
      content: the .tflite file.
      images: a few images (n, height, width, channels); each runs without fast kernels.
    """
    runner = TFLiteInterpreter(content, kernels="plain", keep_tensors=True)
    layers = {layer.name: layer for layer in reference.layers if _has_one_output(layer)}
    observable = list(_observable(runner, layers))
    expected = _outputs(reference, [layers[fused[-1]] for _, fused, _ in observable], images)
    found = _tensors(runner, [tensor for _, _, tensor in observable], images)
    return tuple(
        _difference(operator, fused, one, other)
        for (operator, fused, _), one, other in zip(observable, expected, found, strict=True)
    )


def first_different(
    differences: Iterable[LayerDifference], *, int8: bool
) -> LayerDifference | None:
    """The first layer beyond what its arithmetic explains, else the worst; None of none."""
    known = list(differences)
    limit = _INT8_LIMIT if int8 else _FLOAT_LIMIT
    beyond = (layer for layer in known if not layer.relative <= limit)
    return next(beyond, max(known, key=lambda layer: layer.relative, default=None))


def _observable(
    runner: TFLiteInterpreter, layers: dict[str, keras.layers.Layer]
) -> Iterator[tuple[str, tuple[str, ...], dict]]:
    """Operators whose output is a layer's output: (operator, fused layers, tensor).

    The converter names a tensor after everything it fused into it, `net_1/relu_1/Relu;
    net_1/norm_1/add;net_1/conv_1/Conv2D`. A layer may be spread over operators (a normalisation
    before a ReLU becomes a multiplication and an addition with ReLU), so the last operator that
    names it decides: only if nothing later is fused there is the layer's output to be seen.
    """
    operators = list(runner.operators())
    order = {name: position for position, name in enumerate(layers)}
    names = _layer_names([tensor["name"] for _, tensor in operators], order)
    last = {layer: index for index, fused in enumerate(names) for layer in fused}
    for index, ((operator, tensor), fused) in enumerate(zip(operators, names, strict=True)):
        if fused and last[fused[-1]] == index and _same_size(layers[fused[-1]], tensor):
            yield operator, fused, tensor


def _layer_names(tensors: list[str], order: dict[str, int]) -> list[tuple[str, ...]]:
    """The layers each tensor names, in the model's order.

    TensorFlow numbers the scopes of a graph that is traced again (`conv_1` is then the layer
    `conv`), all by the same number: the number that explains most names is right.
    """
    scopes = [[part.split("/")[1:-1] for part in name.split(";")] for name in tensors]
    suffixes = {""} | {match for name in tensors for match in re.findall(r"_\d+(?=/)", name)}

    def read(suffix: str) -> list[tuple[str, ...]]:
        found = [
            {
                scope.removesuffix(suffix)
                for part in parts
                for scope in part
                if scope.endswith(suffix)
            }
            for parts in scopes
        ]
        return [tuple(sorted(names & order.keys(), key=order.__getitem__)) for names in found]

    return max(
        (read(suffix) for suffix in sorted(suffixes)), key=lambda names: sum(map(len, names))
    )


def _has_one_output(layer: keras.layers.Layer) -> bool:
    called_once = len(layer._inbound_nodes) == 1 and not isinstance(layer, keras.layers.InputLayer)
    return called_once and isinstance(layer.output, keras.KerasTensor)


def _same_size(layer: keras.layers.Layer, tensor: dict) -> bool:
    return math.prod(layer.output.shape[1:]) == math.prod(int(side) for side in tensor["shape"][1:])


def _outputs(
    model: keras.Model, layers: list[keras.layers.Layer], images: np.ndarray
) -> list[np.ndarray]:
    with deep_recursion(len(model.layers)):
        probe = keras.Model(model.inputs[0], [layer.output for layer in layers])
    with tf.device("CPU:0"):
        outputs = probe(images, training=False)
    return [np.asarray(output, np.float32) for output in keras.tree.flatten(outputs)]


def _tensors(
    runner: TFLiteInterpreter, details: list[dict], images: np.ndarray
) -> list[np.ndarray]:
    rows = []
    for image in images:
        runner.invoke(image)
        rows.append([runner.tensor(tensor) for tensor in details])
    return [np.concatenate(tensors) for tensors in zip(*rows, strict=True)]


def _difference(
    operator: str, fused: tuple[str, ...], expected: np.ndarray, found: np.ndarray
) -> LayerDifference:
    difference = found.reshape(expected.shape) - expected
    size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    error = float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))
    return LayerDifference(
        layer=fused[-1],
        fused=fused,
        operator=operator,
        relative=error / size if size else error,
        greatest=float(np.abs(difference).max()),
    )
