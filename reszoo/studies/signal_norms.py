"""Norms of activations and gradients at the blocks of a network, for one batch of images."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.planning.block_chain import blocks_of
from reszoo.planning.rows import Plan, Ref
from reszoo.studies.studied_network import run_rows, without_remapping


def measure_signal(
    rows: Plan, model: keras.Model, pixels: np.ndarray, labels: np.ndarray
) -> list[Any]:
    layers = {layer.name: layer for layer in model.layers}
    blocks = blocks_of(rows)
    refs = [blocks[0].inputs[0], *(block.output for block in blocks)]
    weights = [
        [w for row in block.rows for w in layers[row.name].trainable_variables] for block in blocks
    ]
    (logits,) = rows.outputs
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(autograph=False, jit_compile=False)
    def compute(images: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tensors = run_rows(
                rows.rows,
                layers,
                {Ref(rows.rows[0].name): images},
                training=lambda row: row.op == "norm",
            )
            loss = loss_of(targets, tensors[logits])
        outputs = [tensors[ref] for ref in refs]
        variables = [[w.value for w in own] for own in weights]
        zero = tf.UnconnectedGradients.ZERO
        gradients, slopes = tape.gradient(loss, [outputs, variables], unconnected_gradients=zero)
        norms = [tf.linalg.global_norm(own) if own else tf.constant(0.0) for own in slopes]
        sizes = [[_rms(x) for x in tensors] for tensors in (outputs, gradients)]
        return *sizes, norms, [_similarity(x) for x in outputs]

    with without_remapping():
        values, gradients, norms, similarities = compute(tf.constant(pixels), tf.constant(labels))
    # The loss is a mean over the batch; one image's gradient does not depend on the batch's size.
    per_image = len(labels)
    places = [(None, None), *((block.stage, block.block) for block in blocks)]
    return [
        (
            number,
            *place,
            _finite(value),
            _finite(gradient, per_image),
            _finite(norm),
            _finite(alike),
        )
        for number, (place, value, gradient, norm, alike) in enumerate(
            zip(places, values, gradients, [math.nan, *norms], similarities, strict=True)
        )
    ]


def _rms(x: Any) -> Any:
    return tf.sqrt(tf.reduce_mean(tf.square(tf.cast(x, tf.float64))))


def _similarity(x: Any) -> Any:
    """Returns the mean cosine between the rows of a batch, each row with every other one."""
    rows = tf.cast(tf.reshape(x, (tf.shape(x)[0], -1)), tf.float64)
    units = rows / tf.maximum(tf.norm(rows, axis=1, keepdims=True), 1e-300)
    count = tf.cast(tf.shape(units)[0], tf.float64)
    total = tf.reduce_sum(tf.square(tf.reduce_sum(units, axis=0)))
    return (total - count) / tf.maximum(count * (count - 1.0), 1.0)


def _finite(value: Any, factor: float = 1.0) -> float | None:
    number = float(value) * factor
    return number if math.isfinite(number) else None
