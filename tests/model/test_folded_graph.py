"""A folded graph computes what the canonical network does, with fused kernels."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from reszoo.model.build import build
from reszoo.model.folded_graph import folded_graph, folded_weights
from reszoo.planning.network import plan
from reszoo.planning.rewrites import fold_norms
from reszoo.spec import Architecture
from tests.model.specs import small, with_own_layers

BOTTLENECK = {"transform": "bottleneck", "shortcut": "projection"}
KINDS: dict[str, dict[str, Any]] = {
    "v1": {},
    "bottleneck": {"block": BOTTLENECK},
    "v2": {"block": {"order": "full_pre", "shortcut": "projection"}},
    "norm after the addition": {"block": {"order": "bn_after_add"}},
    "activation alone first": {"block": {"order": "relu_only_pre"}},
    "plain": {"block": {"connection": "plain"}},
    "highway": {"block": {"connection": "highway"}},
    "highway, no norm": {"block": {"connection": "highway"}, "norm": "none"},
    "shortcut gate": {"block": {"connection": "shortcut_gate", "shortcut": "zero_pad"}},
    "constant": {"block": {"connection": "constant", "shortcut": "zero_pad"}},
    "stochastic": {"block": {"connection": "stochastic", "survival_probability": 0.7}},
    "scaled": {"block": {"connection": "scaled", "shortcut": "zero_pad"}},
    "squeeze-excite": {"block": {**BOTTLENECK, "attention": {"kind": "se", "divisor": 1}}},
    "eca": {"block": {**BOTTLENECK, "attention": "eca"}},
    "shortcut D": {"block": {"shortcut": "average_projection"}},
    "grouped": {"block": {**BOTTLENECK, "groups": 2, "base_width": 64}},
    "anti-aliased": {"block": {"antialias": "blur", "shortcut": "zero_pad"}},
    "pooled stem": {"stem": {"filters": 4, "kernel": 7, "pool": {"kind": "max", "stride": 2}}},
    "deep stem": {"stem": {"filters": [4, 8, 4], "kernel": 3, "stride": 2}},
    "sizes per axis": {
        "block": {"kernel": [1, 5], "shortcut": "projection"},
        "stages": [{"depth": 1, "width": 4}, {"depth": 1, "width": 8, "stride": [1, 2]}],
    },
    "mean image": {
        "input": {"shape": [8, 8, 3], "mean": "image", "contrast": {"kind": "global"}},
    },
    "group norm": {"norm": {"kind": "group", "groups": 2}},
    "dense": {
        "stem": {"kind": "dense", "filters": 16},
        "block": {"transform": "dense", "connection": "highway"},
        "stages": [{"depth": 2, "width": 16}],
    },
}


def trained(spec: Architecture) -> keras.Model:
    """A model with weights as after training: none is 0 or 1."""
    model = build(spec, seed=0)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        for weight in layer.weights:
            if weight.name in ("gamma", "moving_variance", "factor"):
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            elif weight.name in ("beta", "moving_mean", "bias"):
                weight.assign(rng.normal(0, 0.3, weight.shape))
    if spec.input.mean == "image":
        layer = model.get_layer("mean_image")
        layer.adapt_mean.assign(rng.normal(0, 1, layer.adapt_mean.shape))
        layer.finalize_state()
    return model


def graph_of(model: keras.Model, spec: Architecture, dtype: str = "float32") -> Any:
    image = tf.TensorSpec((None, *spec.input.shape), tf.uint8)
    network = folded_graph(model, plan(spec), dtype)
    return tf.function(network, input_signature=[image], autograph=False).get_concrete_function()


def images(spec: Architecture, count: int = 4) -> tf.Tensor:
    rng = np.random.default_rng(2)
    return tf.constant(rng.integers(0, 256, (count, *spec.input.shape)), tf.uint8)


def optimised(graph: Any, pixels: tf.Tensor) -> list[Any]:
    """The nodes that run after TensorFlow's optimisation."""
    context.context().enable_graph_collection()
    try:
        graph(pixels)
        runs = context.context().export_run_metadata().function_graphs
    finally:
        context.context().disable_graph_collection()
    return [node for run in runs for node in run.post_optimization_graph.node]


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("kind", KINDS)
def test_folded_network_equals_the_canonical_one(kind: str) -> None:
    spec = small(**KINDS[kind])
    model = trained(spec)
    expected = np.asarray(model(images(spec), training=False))
    found = graph_of(model, spec)(images(spec)).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    low = graph_of(model, spec, "bfloat16")(images(spec))
    assert low.dtype == tf.float32
    assert 0 < np.abs(low - expected).max() < 0.1 * np.abs(expected).max()


def test_own_layers_fold_too() -> None:
    spec = with_own_layers()
    model = trained(spec)
    expected = np.asarray(model(images(spec), training=False))
    np.testing.assert_allclose(graph_of(model, spec)(images(spec)), expected, rtol=1e-4, atol=1e-5)


def test_folded_weights_are_kernel_times_gamma_over_deviation() -> None:
    model = trained(small())
    rows = fold_norms(plan(small()))
    layers = {layer.name: layer for layer in model.layers}
    kernel, bias = folded_weights(rows.row("stem_conv"), layers)
    norm = layers["stem_norm"]
    gamma, beta, mean, variance = (np.float64(weight) for weight in norm.get_weights())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    np.testing.assert_array_equal(kernel, np.float64(layers["stem_conv"].get_weights()[0]) * factor)
    np.testing.assert_allclose(bias, beta - mean * factor, rtol=1e-12)


def fuses_bfloat16() -> bool:
    """Whether TensorFlow fuses a bias and ReLU into a convolution, as oneDNN does with AVX-512."""
    kernel = tf.ones((1, 1, 3, 4), tf.bfloat16)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3))])
    def network(x: tf.Tensor) -> tf.Tensor:
        y = tf.nn.bias_add(
            tf.nn.conv2d(tf.cast(x, kernel.dtype), kernel, 1, "SAME"), kernel[0, 0, 0]
        )
        return tf.cast(tf.nn.relu(y), tf.float32)

    return any(node.op == "_FusedConv2D" for node in optimised(network, tf.ones((2, 8, 8, 3))))


@pytest.mark.parametrize("model_of", [trained, lambda spec: build(spec, seed=0)])
def test_every_convolution_is_one_kernel_with_all_that_follows(model_of: Any) -> None:
    """Fresh weights are the trap: their biases fold to zero, which the optimiser would remove."""
    if not fuses_bfloat16():
        pytest.skip("TensorFlow has no fused convolution in bfloat16 for this processor")
    spec = small(block=BOTTLENECK)
    graph = graph_of(model_of(spec), spec, "bfloat16")
    nodes = optimised(graph, images(spec))
    kinds = Counter(node.op for node in nodes)
    convolutions = sum(row.op == "conv" for row in plan(spec).rows)
    assert kinds["_FusedConv2D"] == convolutions == 9
    assert not {"Conv2D", "BiasAdd", "Relu", "FusedBatchNormV3"} & kinds.keys()
    merges = [
        node
        for node in nodes
        if node.op == "_FusedConv2D" and b"Add" in node.attr["fused_ops"].list.s
    ]
    assert len(merges) == 2
    assert all(b"Relu" in node.attr["fused_ops"].list.s for node in merges)


def test_a_folded_graph_does_not_read_the_model_again() -> None:
    spec = small()
    model = trained(spec)
    graph = graph_of(model, spec)
    assert not graph.captured_inputs
    before = graph(images(spec)).numpy()
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    np.testing.assert_array_equal(graph(images(spec)), before)
