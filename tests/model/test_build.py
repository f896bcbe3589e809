"""A model has one layer for each row of its plan, with the row's shape, weights and function."""

from __future__ import annotations

import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.model.build import build, deep_recursion
from reszoo.model.fused.batch_norm import FusedBatchNormalization
from reszoo.model.initializers import VARIANCE_SCALING
from reszoo.model.layer_factories import ACTIVATIONS, FACTORIES
from reszoo.planning import Plan, Ref
from reszoo.planning.network import plan
from reszoo.planning.ops import OPS
from reszoo.spec import from_mapping
from reszoo.spec.layer_fields import Activation, Initializer
from tests.model import plans

KINDS = (*VARIANCE_SCALING, "normal", "zeros")


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {
        f"{layer.name}/{weight.name}": weight.numpy()
        for layer in model.layers
        for weight in layer.weights
    }


def check_rows(rows: Plan, model: keras.Model) -> None:
    layers = {layer.name: layer for layer in model.layers}
    assert set(layers) == {row.name for row in rows.rows}
    for row in rows.rows:
        layer = layers[row.name]
        trainable = sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
        other = sum(int(np.prod(weight.shape)) for weight in layer.non_trainable_weights)
        assert tuple(layer.output.shape[1:]) == tuple(row.shape), row.name
        assert (trainable, other) == (row.parameters, row.other_parameters), row.name


@pytest.mark.parametrize("rows", plans.ALL, ids=lambda rows: rows.name)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_each_row_is_one_layer_with_its_shape_and_weights(rows: Plan, dtype: str) -> None:
    model = build(rows, dtype=dtype)
    check_rows(rows, model)
    shape = (2, *rows.rows[0].shape)
    assert model(np.ones(shape, "float32")).shape == (2, *rows.rows[-1].shape)


def test_every_op_of_the_plan_has_a_layer() -> None:
    fast = {"shared_norm", "fused_norm", "piecewise_norm", "product_conv"}
    fast |= {"fused_relu", "add_relu"}
    fast |= {"gated_merge", "deferred_conv", "interleaved_conv", "interleaved_merge"}
    fast |= {"centred_contrast", "centred_group_norm"}
    fast |= {"fake_quantize", "quantized_conv", "quantized_conv1d", "quantized_dense"}
    fast |= {"channel_scale", "channel_offset"}
    assert set(FACTORIES) == set(OPS) - {"input"} | fast
    used = {row.op for rows in plans.ALL for row in rows.rows}
    assert used == set(OPS)


def test_every_name_of_the_spec_has_a_keras_object() -> None:
    assert set(ACTIVATIONS) | {"leaky_relu"} == set(Activation.__args__) | {"sigmoid"}
    assert set(KINDS) == set(Initializer.model_fields["kind"].annotation.__args__)


@pytest.mark.parametrize("function", [*ACTIVATIONS, "leaky_relu"])
def test_each_activation_is_the_one_of_its_name(function: str) -> None:
    x = np.array([[-4.0, -2.0, -0.5, 0.0, 0.5, 2.0, 7.0]], "float32")
    expected = {
        "relu": np.maximum(x, 0),
        "relu6": np.clip(x, 0, 6),
        "elu": np.where(x > 0, x, np.expm1(x)),
        "silu": x / (1 + np.exp(-x)),
        "gelu": x * 0.5 * (1 + np.vectorize(__import__("math").erf)(x / np.sqrt(2))),
        "hard_swish": x * np.clip(x + 3, 0, 6) / 6,
        "tanh": np.tanh(x),
        "sigmoid": 1 / (1 + np.exp(-x)),
        "leaky_relu": np.where(x > 0, x, 0.01 * x),
        "none": x,
    }[function]
    rows = plans.plan_of(
        "f", plans.image(7), plans.row("y", "activation", "image", (7,), function=function)
    )
    np.testing.assert_allclose(build(rows)(x), expected, atol=1e-6)


def test_highway_layer_is_x_plus_t_times_h_minus_x() -> None:
    model = build(plans.HIGHWAY, seed=5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 6)).astype("float32")
    w = weights(model)
    h = np.tanh(x @ w["h/kernel"] + w["h/bias"])
    assert np.all(w["gate/bias"] == np.float32(-1.5))
    t = 1 / (1 + np.exp(-(x @ w["gate/kernel"] + w["gate/bias"])))
    np.testing.assert_allclose(model(x), x + t * (h - x), atol=1e-6)
    np.testing.assert_allclose(model(x), t * h + (1 - t) * x, atol=1e-6)


def test_residual_block_pads_subsamples_and_adds() -> None:
    model = build(plans.RESIDUAL, seed=1)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3)).astype("uint8")
    names = ["normalize", "stem_activation", "conv1", "norm1", "pad", "add"]
    maps = keras.Model(model.input, {name: model.get_layer(name).output for name in names})
    found = {name: np.asarray(value) for name, value in maps(pixels).items()}
    mean, std = np.array([120.0, 110.0, 100.0]), np.array([60.0, 50.0, 40.0])
    np.testing.assert_allclose(found["normalize"], (pixels - mean) / std, atol=1e-5)
    stem = found["stem_activation"]
    np.testing.assert_array_equal(found["pad"][..., :4], stem[:, ::2, ::2])
    np.testing.assert_array_equal(found["pad"][..., 4:], 0)
    kernel = weights(model)["conv1/kernel"]
    window = np.zeros((2, 3, 3, 4), "float32")
    window[:, 1:, 1:] = stem[:, :2, :2]
    corner = np.einsum("bijc,ijcf->bf", window, kernel)
    np.testing.assert_allclose(found["conv1"][:, 0, 0], corner, atol=1e-5)
    np.testing.assert_array_equal(found["norm1"], 0)  # its gamma starts at 0
    np.testing.assert_array_equal(found["add"], found["pad"])


def test_model_takes_uint8_and_floats_alike() -> None:
    model = build(plans.RESIDUAL, seed=1)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3)).astype("uint8")
    np.testing.assert_array_equal(model(pixels), model(pixels.astype("float32")))
    assert model.input.name == "image"


def test_whole_dropout_draws_once_for_the_batch_and_keeps_the_mean() -> None:
    rows = plans.plan_of(
        "drop",
        plans.image(2, 2, 3),
        plans.row("drop", "dropout", "image", (2, 2, 3), rate=0.5, each="batch"),
    )
    model = build(rows, seed=0)
    x = np.ones((4, 2, 2, 3), "float32")
    draws = np.array([np.asarray(model(x, training=True)) for _ in range(40)])
    assert set(np.unique(draws)) == {0.0, 2.0}
    assert all(len(np.unique(draw)) == 1 for draw in draws)
    np.testing.assert_array_equal(model(x), x)


def test_dropout_of_examples_draws_once_for_each_of_them() -> None:
    rows = plans.plan_of(
        "drop",
        plans.image(2, 2, 3),
        plans.row("drop", "dropout", "image", (2, 2, 3), rate=0.5, each="example"),
    )
    drawn = np.asarray(build(rows, seed=0)(np.ones((64, 2, 2, 3), "float32"), training=True))
    by_example = drawn.reshape(64, -1)
    assert (by_example == by_example[:, :1]).all()
    assert set(np.unique(by_example[:, 0])) == {0.0, 2.0}


def test_two_builds_with_one_seed_are_equal() -> None:
    first, second, other = (weights(build(plans.RESIDUAL, seed=seed)) for seed in (7, 7, 8))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    assert not np.array_equal(first["conv1/kernel"], other["conv1/kernel"])


def test_builds_without_a_seed_differ() -> None:
    first, second = (weights(build(plans.HIGHWAY)) for _ in range(2))
    assert not np.array_equal(first["h/kernel"], second["h/kernel"])


def test_rows_of_one_shape_start_differently() -> None:
    start = weights(build(plans.HIGHWAY, seed=0))
    assert not np.array_equal(start["h/kernel"], start["gate/kernel"])


def small(**changed: object) -> dict:
    return {
        "name": "small",
        "input": {"shape": [8, 8, 3]},
        "stem": {"filters": 4},
        "block": {"transform": "basic", "connection": "residual"},
        "stages": [{"depth": 2, "width": 4}, {"depth": 1, "width": 8, "stride": 2}],
        "classes": 5,
        **changed,
    }


def test_twins_share_the_starting_weights_of_rows_they_share() -> None:
    residual = weights(build(from_mapping(small()), seed=3))
    highway = small(block={"transform": "basic", "connection": "highway"})
    twin = weights(build(from_mapping(highway), seed=3))
    assert set(residual) < set(twin)
    for name, value in residual.items():
        np.testing.assert_array_equal(value, twin[name])


@pytest.mark.parametrize("kind", KINDS)
def test_initializers_have_the_spread_of_their_name(kind: str) -> None:
    std = {"std": 0.03} if kind == "normal" else {}
    initializer = Initializer(kind=kind, **std)
    rows = plans.plan_of(
        "start",
        plans.image(4, 4, 16),
        plans.conv("conv", "image", (4, 4, 64), 3 * 3 * 16 * 64, kernel_initializer=initializer),
    )
    fan_in, fan_out = 3 * 3 * 16, 3 * 3 * 64
    expected = {
        "he_normal": (2 / fan_in) ** 0.5,
        "he_normal_fan_out": (2 / fan_out) ** 0.5,
        "he_uniform": (2 / fan_in) ** 0.5,
        "glorot_uniform": (2 / (fan_in + fan_out)) ** 0.5,
        "glorot_normal": (2 / (fan_in + fan_out)) ** 0.5,
        "lecun_uniform": (1 / fan_in) ** 0.5,
        "torch_default": (1 / (3 * fan_in)) ** 0.5,
        "normal": 0.03,
        "zeros": 0.0,
    }[kind]
    layer = build(rows, seed=0).get_layer("conv")
    said = layer.kernel_initializer((3, 3, 16, 64), "float32").numpy()
    kernel = layer.kernel.numpy()
    assert said.std() == pytest.approx(expected, rel=0.04)
    assert said.max() == pytest.approx(kernel.max(), rel=0.3)
    assert kernel.std() == pytest.approx(expected, rel=0.04)
    assert abs(kernel.mean()) <= 4 * expected / kernel.size**0.5


def test_layer_config_says_how_it_started() -> None:
    config = build(plans.HIGHWAY, seed=0).get_layer("h").get_config()
    assert config["kernel_initializer"]["config"]["distribution"] == "untruncated_normal"
    assert config["kernel_initializer"]["config"]["seed"] is not None


def test_policy_is_the_builds_and_never_the_global_one() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build(plans.RESIDUAL)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in model.layers[1:]} == {"float32"}


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_keeps_float32_where_rows_ask_for_it(dtype: str) -> None:
    model = build(plans.RESIDUAL, dtype=dtype)
    computed = {layer.name: layer.compute_dtype for layer in model.layers}
    low = dtype.removeprefix("mixed_")
    assert computed["normalize"] == computed["logits"] == "float32"
    assert computed["conv1"] == computed["norm1"] == computed["pad"] == low
    assert model.output.dtype == "float32"
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}


def test_float64_is_float64_throughout() -> None:
    model = build(plans.RESIDUAL, dtype="float64")
    assert {layer.compute_dtype for layer in model.layers[1:]} == {"float64"}
    assert model.output.dtype == "float64"


def test_device_build_has_fast_layers_of_the_same_names_and_weights() -> None:
    stock, fast = build(plans.RESIDUAL, seed=2), build(plans.RESIDUAL, seed=2, device="cpu")
    assert [layer.name for layer in stock.layers] == [layer.name for layer in fast.layers]
    assert isinstance(fast.get_layer("norm1"), FusedBatchNormalization)
    assert not isinstance(stock.get_layer("norm1"), FusedBatchNormalization)
    for (name, value), (other, copy) in zip(
        weights(stock).items(), weights(fast).items(), strict=True
    ):
        assert name == other
        np.testing.assert_array_equal(value, copy)


@pytest.mark.parametrize("wrong", [{"dtype": "float31"}, {"device": "abacus"}])
def test_unknown_dtype_or_device_is_one_clear_error(wrong: dict[str, str]) -> None:
    with pytest.raises(UserError, match="unknown"):
        build(plans.HIGHWAY, **wrong)


def test_headless_build_ends_with_the_last_feature_map() -> None:
    spec = from_mapping(small())
    backbone = build(spec, head=False)
    assert backbone.output.shape[1:] == (4, 4, 8)
    check_rows(plan(spec, head=False), backbone)


def test_plan_of_several_outputs_gives_them_in_order() -> None:
    rows = replace(plans.RESIDUAL, outputs=(Ref("activation"), Ref("logits")))
    first, second = build(rows).outputs
    assert (first.shape[1:], second.shape[1:]) == ((4, 4, 6), (5,))


def test_recursion_limit_is_raised_and_restored() -> None:
    before = sys.getrecursionlimit()
    with pytest.raises(RuntimeError), deep_recursion(10_000):
        assert sys.getrecursionlimit() > 10_000
        raise RuntimeError
    assert sys.getrecursionlimit() == before


# Keras needs more frames than Python's default limit from about 300 blocks on.
@pytest.mark.parametrize("depth", [400, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_highway_net_of_hundreds_of_layers_builds(depth: int) -> None:
    spec = small(
        input={"shape": [4, 4, 1]},
        stem={"kind": "dense", "filters": 4},
        block={"transform": "dense", "connection": "highway"},
        stages=[{"depth": depth, "width": 4}],
    )
    model = build(from_mapping(spec))
    assert model(np.zeros((1, 4, 4, 1))).shape == (1, 5)
