"""Every network computes what the papers' equations say, as NumPy computes them.

A case is a tiny network with random weights, random normalisation statistics and random gates. Its
stages are compared one by one, and NumPy must have read every weight that Keras has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights, finalize_normalization
from reszoo.planning import Ref
from reszoo.planning.network import plan
from reszoo.planning.rewrites import for_inference
from reszoo.spec import from_mapping
from reszoo.spec.architecture import Architecture
from tests.model.numpy_reference import Reference
from tests.pairs import product_by_pairs, product_by_turns

ORDERS = ("post", "bn_after_add", "relu_before_add", "relu_only_pre", "full_pre")

CONNECTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "residual": {},
    "highway": {},
    "highway, per channel": {"gate": {"granularity": "channel"}},
    "highway, uncoupled": {"gate": {"coupled": False}},
    "highway, uncoupled, per channel": {"gate": {"coupled": False, "granularity": "channel"}},
    "shortcut_gate": {},
    "constant": {"constants": {"carry": 0.5, "transform": 0.75}},
    "stochastic": {},
    "scaled": {},
    "scaled, per channel": {"scale": {"granularity": "channel"}},
}

SHORTCUTS: list[dict[str, Any]] = [
    {"shortcut": "identity"},
    {"shortcut": "zero_pad", "stride": 2},
    {"shortcut": {"kind": "zero_pad", "subsample": "average", "channels": "both"}, "stride": 2},
    {"shortcut": "projection_all", "wider": 0},
    {"shortcut": "max_pool", "stride": 2, "wider": 0},
    {"shortcut": "projection", "stride": 2},
    {"shortcut": "average_projection", "stride": 2},
]
"""Stages by their shortcut; they take a map of 20x26 down through even and odd sides to 1x1."""


def stages(shortcuts: list[dict[str, Any]], width: int = 4) -> list[dict[str, Any]]:
    found = []
    for one in shortcuts:
        wider = one.get("wider", 0 if one["shortcut"] == "identity" else 2)
        width += wider
        fields = {name: value for name, value in one.items() if name != "wider"}
        found.append({"depth": 1, "width": width, **fields})
    return found


def network(**fields: Any) -> Architecture:
    mapping = {
        "name": "net",
        "input": {"shape": [10, 13, 3], "mean": [123.675, 116.28, 103.53], "std": 58.395},
        "stem": {"filters": 4},
        "stages": [{"depth": 1, "width": 4}, {"depth": 2, "width": 6, "stride": 2}],
        "classes": 5,
        **fields,
    }
    return from_mapping(mapping)


def block(transform: str, connection: str, order: str | None = None) -> dict[str, Any]:
    name = connection.split(",")[0]
    given: dict[str, Any] = {"transform": transform, "connection": name, "expansion": 2}
    return {**given, **CONNECTIONS[connection], **({"order": order} if order else {})}


def randomised(model: keras.Model) -> dict[str, np.ndarray]:
    """Draws every weight of the model anew and returns them by `layer/weight`."""
    generator = np.random.default_rng(7)
    weights = {}
    for layer in model.layers:
        for weight in layer.weights:
            value = _drawn(generator, weight.name, tuple(weight.shape))
            weight.assign(value)
            weights[f"{layer.name}/{weight.name}"] = value
    finalize_normalization(model)
    return weights


def _drawn(generator: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name == "moving_variance":
        return generator.uniform(0.5, 2.0, shape)
    if name in ("variance", "count"):  # of a mean image: these are not drawn
        return np.full(shape, float(name == "variance"))
    if name in ("gamma", "factor"):
        return generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape)
    if name == "kernel":
        return generator.normal(0.0, np.prod(shape[:-1]) ** -0.5, shape)
    return generator.normal(0.0, 0.5, shape)


def images(spec: Architecture) -> np.ndarray:
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (4, *spec.input.shape)).astype("uint8")


def check(
    spec: Architecture, tolerance: float = 1e-12, dtype: str = "float64", device: str | None = None
) -> None:
    """Compares each stage's map and the logits, relative to the largest value there."""
    rows = plan(spec)
    names = [*rows.stages, "logits"]
    model = build(
        replace(rows, outputs=(*rows.stages.values(), *rows.outputs)), dtype=dtype, device=device
    )
    reference = Reference(spec, randomised(model))
    batch = images(spec)
    found = model(batch, training=False)
    expected = reference.forward(batch)
    assert list(expected) == names
    for name, values in zip(names, found, strict=True):
        largest = np.abs(expected[name]).max()
        assert largest > 0
        error = np.abs(np.asarray(values, np.float64) - expected[name]).max() / largest
        assert error < tolerance, f"{name} is off by {error:.1e}"
    assert not reference.unused


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize(
    ("transform", "order", "connection"),
    product_by_pairs(["conv", "basic", "bottleneck"], ORDERS, CONNECTIONS),
)
def test_every_transform_connection_shortcut_and_order(
    transform: str, order: str, connection: str
) -> None:
    # a plain net has no shortcuts
    shortcuts = SHORTCUTS[:2] if connection == "plain" else SHORTCUTS
    check(
        network(
            input={"shape": [20, 26, 3]},
            stem={"filters": 8 if transform == "bottleneck" else 4},
            block=block(transform, connection, order),
            stages=stages(shortcuts, 4),
        )
    )


# The test above shows the pairs.
@pytest.mark.quick_rows(2)
@pytest.mark.parametrize(("order", "connection"), product_by_turns(ORDERS, CONNECTIONS))
def test_every_dense_connection_shortcut_and_order(order: str, connection: str) -> None:
    width = 10
    shortcuts = [
        {"shortcut": "identity"},
        {"shortcut": "projection"},
        {"shortcut": {"kind": "projection_all", "norm": False}, "wider": 0},
    ]
    check(
        network(
            stem={"kind": "dense", "filters": width},
            block={**block("dense", connection, order), "activation": "elu"},
            stages=stages(shortcuts, width),
        )
    )


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize(
    ("connection", "device"),
    [
        pytest.param(
            connection,
            device,
            marks=pytest.mark.slow if device is None and connection != "highway" else (),
        )
        for connection in CONNECTIONS
        for device in (None, "cpu")
    ],
)
def test_float32_and_its_fast_layers_compute_the_same(connection: str, device: str | None) -> None:
    check(network(block=block("basic", connection)), 1e-4, "float32", device)


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize("padding", ["torch", "same"])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_strided_windows_on_even_and_odd_maps(padding: str, kernel: int) -> None:
    for transform in ("basic", "bottleneck"):
        given = {**block(transform, "highway"), "kernel": kernel}
        check(network(padding=padding, block=given))


SIGNALS: dict[str, dict[str, Any]] = {
    "signal": {"input": {"shape": [1, 43, 2]}, "block": {"kernel": [1, 5]}},
    "signal, one number": {"input": {"shape": [1, 42, 2]}, "block": {"kernel": 3}},
    "gated signal": {
        "input": {"shape": [1, 42, 2]},
        "block": {"kernel": [1, 3], "connection": "highway", "gate": {"kernel": [1, 7]}},
    },
    "blurred signal": {
        "input": {"shape": [1, 42, 1]},
        "stem": {"filters": 4, "kernel": [1, 9], "pool": {"kind": "blur", "size": [1, 3]}},
        "block": {"kernel": [1, 3], "antialias": "blur"},
    },
    "averaged signal": {
        "input": {"shape": [1, 43, 1]},
        "stem": {"filters": 4, "kernel": [1, 3], "stride": [1, 2], "pool": "average"},
        "block": {"kernel": [1, 3], "antialias": "average", "shortcut": "average_projection"},
    },
    "spectrogram": {
        "input": {"shape": [13, 40, 1]},
        "stem": {"filters": 4, "kernel": [3, 9], "stride": [1, 4], "pool": "max"},
        "block": {"transform": "bottleneck", "expansion": 2, "kernel": [5, 3], "groups": 2},
    },
    "spectrogram, option A": {
        "input": {"shape": [12, 40, 1]},
        "stem": {"filters": 4, "pool": {"kind": "conv", "size": [1, 4]}},
        "block": {"order": "full_pre", "shortcut": {"kind": "zero_pad", "subsample": "average"}},
    },
    "signal upwards": {"input": {"shape": [43, 1, 2]}, "block": {"kernel": [5, 1]}},
}
"""Networks with windows and strides per axis; those of their pools and stages are added."""


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize(("padding", "name"), product_by_turns(["torch", "same"], SIGNALS))
def test_windows_and_strides_per_axis(name: str, padding: str, device: str | None) -> None:
    given = SIGNALS[name]
    stride = [2, 1] if name == "signal upwards" else [1, 2]
    stem = {"filters": 4, **given.get("stem", {})}
    if pool := stem.get("pool"):
        pool = {"kind": pool} if isinstance(pool, str) else pool
        stem["pool"] = {"size": [1, 2], "stride": stride, **pool}
    shapes = [
        {"depth": 1, "width": 4},
        {"depth": 2, "width": 6, "stride": stride},
        {"depth": 1, "width": 6, "stride": stride, "shortcut": "max_pool"},
    ]
    spec = network(**{**given, "stem": stem, "stages": shapes, "padding": padding})
    check(spec) if device is None else check(spec, 1e-4, "float32", device)


BLOCKS: dict[str, dict[str, Any]] = {
    "squeeze-excite": {"attention": {"kind": "se", "ratio": 2, "divisor": 2}},
    "squeeze-excite without bias": {"attention": {"kind": "se", "bias": False}},
    "ECA": {"attention": "eca"},
    "ECA of kernel 5": {"attention": {"kind": "eca", "kernel": 5}},
    "groups": {"groups": 2},
    "ResNeXt": {"transform": "bottleneck", "groups": 4, "base_width": 32},
    "wide": {"transform": "bottleneck", "base_width": 128},
    "stride at the first convolution": {"transform": "bottleneck", "stride_at": "first"},
    "stride in the last block": {"strided_block": "last", "shortcut": "max_pool"},
    "keras v2": {
        "transform": "bottleneck",
        "order": "full_pre",
        "strided_block": "last",
        "shortcut": {"kind": "max_pool", "bias": True},
        "bias": ["conv3"],
    },
    "no normalisation": {"norm": "none"},
    "no normalisation, no bias": {"norm": "none", "bias": False},
    "biases": {"bias": True, "shortcut": {"kind": "projection", "bias": True, "norm": False}},
    "one bias": {"bias": ["conv2"]},
    "another epsilon": {"norm": {"epsilon": 0.1, "momentum": 0.5}},
    "groups of channels": {"norm": {"kind": "group", "groups": 2, "epsilon": 0.01}},
    "gate of kernel 1": {"connection": "highway", "gate": {"kernel": 1}},
    "gates of kernel 5": {"connection": "highway", "gate": {"kernel": 5, "coupled": False}},
    "gated bottleneck": {"transform": "bottleneck", "connection": "shortcut_gate"},
    "surviving highway": {"connection": "highway", "survival_probability": 0.25},
    "surviving uncoupled highway": {
        "connection": "highway",
        "gate": {"coupled": False},
        "survival_probability": 0.25,
    },
    "surviving constants": {
        "connection": "constant",
        "constants": {"carry": 0.5, "transform": 2.0},
        "survival_probability": 0.25,
    },
    "surviving scale": {"connection": "scaled", "survival_probability": 0.5},
    "as likely at any depth": {
        "connection": "stochastic",
        "survival_decay": "constant",
        "survival_probability": 0.75,
    },
    "no shortcut": {"connection": "constant", "constants": {"carry": 0.0, "transform": 0.5}},
    "dropouts and a first gamma of 0": {
        "dropout": 0.3,
        "zero_gamma": True,
        "shortcut": {"kind": "projection", "dropout": 0.5},
    },
}


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("order", ["post", pytest.param("full_pre", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BLOCKS)
def test_every_field_of_a_block(name: str, order: str) -> None:
    check(network(block={"order": order, "expansion": 2, **BLOCKS[name]}))


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("padding", ["torch", "same"])
@pytest.mark.parametrize("filter_", ["average", "blur"])
def test_filters_stride_after_the_activation(filter_: str, padding: str) -> None:
    stages = [
        {"transform": "basic", "width": 4},
        {"transform": "conv", "width": 4},
        {"transform": "bottleneck", "width": 4},
        {"transform": "bottleneck", "width": 6, "stride_at": "first"},
    ]
    stages = [{"depth": 1, "stride": 2, **stage} for stage in stages]
    for order in ORDERS:
        given = {"order": order, "antialias": filter_, "expansion": 2}
        spec = network(input={"shape": [22, 29, 3]}, padding=padding, block=given, stages=stages)
        check(spec)


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize(
    "function",
    ["relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "hard_swish", "tanh", "none"],
)
def test_every_activation(function: str) -> None:
    check(network(activation=function, block={"attention": "se"}))


UNACTIVATED = {"norm": "none", "activation": "none"}
STEMS: dict[str, dict[str, Any]] = {
    "strided": {"filters": 4, "kernel": 7, "stride": 2},
    "deep": {"filters": [3, 5, 4], "stride": 2},
    "deep, unactivated": {"filters": [3, 5, 4], **UNACTIVATED},
    "biased": {"filters": [3, 4], "bias": True, "activation": "tanh"},
    "valid": {"filters": 4, "kernel": 5, "padding": "valid"},
    "none": {"kind": "none"},
}


@pytest.mark.parametrize(("padding", "name"), product_by_turns(["torch", "same"], STEMS))
def test_every_stem(name: str, padding: str) -> None:
    check(network(stem=STEMS[name], padding=padding))
    check(network(stem=STEMS[name], padding=padding, norm="none"))


def test_dense_stems() -> None:
    for stem in ({}, {"bias": True}, {"norm": "none"}, UNACTIVATED):
        for filters in (12, [9, 12]):
            check(
                network(
                    stem={"kind": "dense", "filters": filters, **stem},
                    block={"transform": "dense", "activation": "tanh"},
                    stages=[{"depth": 2, "width": 12}],
                )
            )


@pytest.mark.parametrize("draw", ["batch", "example"])
@pytest.mark.parametrize("decay", ["linear", "linear_from_one", "constant"])
def test_survival_counts_as_drawn(decay: str, draw: str) -> None:
    given = {"survival_probability": 0.5, "survival_decay": decay, "survival_draw": draw}
    check(network(block=given))


INPUTS: list[dict[str, Any]] = [
    {"contrast": "global"},
    {"contrast": {"kind": "global", "scale": 0.5, "epsilon": 0.001}},
    {"mean": "image", "std": 64.0},
    {"mean": "image", "std": 1.0},
    {"contrast": {"kind": "global", "scale": 55.0}, "mean": "image"},
]


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize("given", INPUTS, ids=str)
def test_contrast_normalisation_and_mean_image(given: dict[str, Any]) -> None:
    spec = network(input={"shape": [10, 13, 3], **given})
    check(spec)
    check(network(input={"shape": [10, 13, 1], **given}))
    check(spec, 2e-5, "float32", "cpu")
    # the form in which it becomes int8
    rows = for_inference(plan(spec))
    assert ("centred_contrast" in {row.op for row in rows.rows}) == ("contrast" in given)
    canonical, centred = build(spec), build(rows)
    randomised(canonical)
    copy_weights(canonical, centred)
    batch = images(spec)
    np.testing.assert_allclose(
        centred(batch), canonical(batch, training=False), rtol=1e-4, atol=1e-4
    )


def test_an_image_of_one_colour_has_no_contrast() -> None:
    spec = network(input={"shape": [10, 13, 3], "contrast": "global"})
    rows = plan(spec)
    for form in (rows, for_inference(rows)):
        model = build(replace(form, outputs=(Ref("contrast"),)))
        assert np.abs(model(np.full((1, 10, 13, 3), 137, "uint8"))).max() < 0.01


POOLS: dict[str, dict[str, Any]] = {
    "max": {"kind": "max"},
    "max of zeros": {"kind": "max", "zero_padded": True},
    "max 2": {"kind": "max", "size": 2},
    "average": {"kind": "average", "size": 2},
    "average 3": {"kind": "average"},
    "blur": {"kind": "blur"},
    "blur of zeros": {"kind": "blur", "zero_padded": True},
    "conv": {"kind": "conv"},
    "wider conv": {"kind": "conv", "filters": 6},
}


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize(("padding", "name"), product_by_turns(["torch", "same", "valid"], POOLS))
def test_every_pool_on_even_and_odd_maps(name: str, padding: str) -> None:
    """In the stem, behind a ReLU or not, and after a stage."""
    pool = {**POOLS[name], "padding": padding}
    for stem in ({}, UNACTIVATED):
        check(network(stem={"filters": 4, "pool": pool, **stem}))
    blocks = [
        {},
        {"transform": "conv", "connection": "scaled"},
        {"order": "relu_only_pre"},
    ]
    stage = {"depth": 1, "width": 4, "after": {"pool": pool, "dropout": 0.5}}
    check(network(input={"shape": [21, 28, 3]}, stages=[{**stage, **one} for one in blocks]))


HEADS: dict[str, dict[str, Any]] = {
    "max": {"pool": "max"},
    "flat": {"pool": "none"},
    "convolution": {"conv": 7},
    "hidden": {"hidden": [7, 6], "dropout": 0.5},
    "no bias": {"bias": False, "logit_scale": 0.125},
    "all": {"conv": 6, "pool": "none", "hidden": [9], "bias": False, "logit_scale": -3.0},
}


@pytest.mark.parametrize("name", HEADS)
def test_every_head(name: str) -> None:
    for norm in ("batch", "none"):
        check(network(head=HEADS[name], norm=norm))


def test_a_stage_may_differ_in_everything() -> None:
    """Stages of other transforms, connections and orders, and plain first layers."""
    stages = [
        {"depth": 2, "width": 4, "first": "plain", "connection": "highway", "transform": "conv"},
        {"depth": 2, "width": 6, "stride": 2, "order": "full_pre", "activation": "tanh"},
        {"depth": 2, "width": 5, "first": "plain", "connection": "scaled", "attention": "eca"},
        {"depth": 2, "width": 3, "stride": 2, "transform": "bottleneck", "norm": "none"},
    ]
    check(network(stages=stages))
    check(network(stages=stages, norm="none", padding="same"))
