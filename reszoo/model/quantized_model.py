"""Fake-quantized models, made from a trained network with ranges from calibration images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from reszoo.model.build import build_canonical
from reszoo.model.folded_graph import folded_weights, scale_and_offset
from reszoo.model.quantized_layers import FakeQuantize
from reszoo.planning.fake_quantize import KERNEL_OPS, fake_quantize, quantizable_rows
from reszoo.planning.rows import Plan, Row

_BATCH = 32


def is_fake_quantized(model: keras.Model) -> bool:
    """Whether a model is fake-quantized; its layers are then not those of its spec's plan."""
    return any(isinstance(layer, FakeQuantize) for layer in model.layers)


def learned_limits(model: keras.Model) -> dict[str, tuple[float, float]]:
    """Returns the lower and upper limit of each learned range, by layer name."""
    return {
        layer.name: layer.limit_values()
        for layer in model.layers
        if isinstance(layer, FakeQuantize) and layer.limits is None
    }


def quantized_model(model: keras.Model, plan: Plan, images: np.ndarray) -> keras.Model:
    """Returns the fake-quantized model of a trained network.

    Args:
      model: the trained network.
      plan: its canonical plan.
      images: pixels 0..255, `(images, height, width, channels)`. Each learned range is initialised
        to the minimum and maximum of its tensor over these images.

    Raises:
      UserError: TFLite has no int8 operator for a layer.
    """
    layers = {layer.name: layer for layer in model.layers}
    float_plan, quantized_plan = quantizable_rows(plan), fake_quantize(plan)
    quantized = build_canonical(quantized_plan)
    observed = {
        row.name: row.inputs[0]
        for row in quantized_plan.rows
        if row.op == "fake_quantize" and row.attributes["limits"] is None
    }
    probe = build_canonical(replace(float_plan, outputs=tuple(observed.values())))
    for row in float_plan.rows:
        if weights := list(_weights(row, layers)):
            probe.get_layer(row.name).set_weights(weights)
            quantized.get_layer(row.name).set_weights(weights)
    for name, limits in zip(observed, _extremes(probe, images), strict=True):
        quantized.get_layer(name).set_weights(list(limits))
    return quantized


def _weights(row: Row, layers: Mapping[str, keras.layers.Layer]) -> Iterator[np.ndarray]:
    """Yields the weights of a row of the float plan, from those of the trained network."""
    if row.op in KERNEL_OPS:
        kernel, bias = folded_weights(row, layers)
        yield kernel
        if row.attributes["bias"]:
            yield bias
    elif row.op in ("channel_scale", "channel_offset") and row.attributes["values"] is None:
        yield scale_and_offset(layers[row.stands_for[0]])[row.op == "channel_offset"]
    elif row.op == "scale":
        yield from layers[row.name].get_weights()


def _extremes(probe: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the minimum and maximum of each output, `(outputs, 2)`, extended to include 0."""

    @tf.function(autograph=False, reduce_retracing=True)
    def extremes(batch: tf.Tensor) -> tf.Tensor:
        # In one graph, the memory of a tensor is freed as soon as its extremes are known.
        outputs = keras.tree.flatten(probe(batch, training=False))
        return tf.stack([[tf.reduce_min(output), tf.reduce_max(output)] for output in outputs])

    batches = [
        extremes(tf.constant(images[start : start + _BATCH], tf.float32)).numpy()
        for start in range(0, len(images), _BATCH)
    ]
    lows, highs = np.moveaxis(np.stack(batches), -1, 0)
    return np.stack([lows.min(0).clip(max=0.0), highs.max(0).clip(min=0.0)], axis=-1)
