"""Special cases that the theory predicts: networks that equal another one.

Twins are built from one spec with one word changed and share the weights of common rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import keras
import numpy as np
import pytest

from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.planning import Plan, Ref, Row
from reszoo.planning.network import plan
from reszoo.spec import from_mapping
from reszoo.spec.architecture import Architecture
from reszoo.spec.layer_fields import Norm

OPEN, SHUT = 50.0, -100.0
"""Gate biases at which float32 has a sigmoid of exactly 1, and of less than 1e-43."""

TRANSFORMS = ("basic", "bottleneck", "conv")


def network(transform: str, connection: str, **given: Any) -> Architecture:
    """Two stages of two blocks; the second halves the map."""
    block = {
        "transform": transform,
        "connection": connection,
        "shortcut": "zero_pad",
        "expansion": 2,
        **given,
    }
    mapping = {
        "name": connection,
        "input": {"shape": [8, 8, 3], "mean": 128.0, "std": 64.0},
        "stem": {"filters": 8 if transform == "bottleneck" else 4},
        "block": block,
        "stages": [{"depth": 2, "width": 4}, {"depth": 2, "width": 8, "stride": 2}],
        "classes": 5,
    }
    return from_mapping(mapping)


def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")


def randomised(model: keras.Model) -> keras.Model:
    """The model with random normalisations and biases, as if it had been trained."""
    generator = np.random.default_rng(1)
    for layer in model.layers:
        for weight in layer.weights:
            if weight.name in ("gamma", "moving_variance"):
                weight.assign(generator.uniform(0.5, 1.5, weight.shape))
            elif weight.name in ("beta", "moving_mean", "bias"):
                weight.assign(generator.normal(0.0, 0.3, weight.shape))
    return model


def with_gates(model: keras.Model, role: str, bias: float) -> keras.Model:
    """The model with all gates of a role forced: weights 0, and that bias."""
    gates = [layer for layer in model.layers if layer.weights and role in layer.name]
    assert gates
    for layer in gates:
        layer.kernel.assign(np.zeros(layer.kernel.shape))
        layer.bias.assign(np.full(layer.bias.shape, bias))
    return model


def with_factors(model: keras.Model, value: float) -> keras.Model:
    factors = [weight for weight in model.weights if weight.name == "factor"]
    assert factors
    for factor in factors:
        factor.assign(np.full(factor.shape, value))
    return model


def outputs(model: keras.Model) -> np.ndarray:
    return np.asarray(model(images(), training=False))


def trained(spec: Architecture) -> keras.Model:
    return randomised(build(spec, seed=0))


def twin(model: keras.Model, spec: Architecture) -> np.ndarray:
    """What the twin of a model puts out: another spec, the same weights."""
    other = build(spec, seed=1)
    copy_weights(model, other)
    return outputs(other)


def assert_equal_to_rounding(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.fixture(params=TRANSFORMS)
def transform(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("granularity", ["element", "channel"])
def test_a_highway_net_with_open_gates_is_its_plain_twin(transform: str, granularity: str) -> None:
    gate = {"granularity": granularity}
    highway = with_gates(trained(network(transform, "highway", gate=gate)), "transform_gate", OPEN)
    assert_equal_to_rounding(outputs(highway), twin(highway, network(transform, "plain")))


def test_a_highway_net_with_shut_gates_is_the_path_of_the_identity(transform: str) -> None:
    model = with_gates(stem_and_end(network(transform, "highway")), "transform_gate", SHUT)
    assert_end_is_stem(model)


def test_a_scale_of_0_is_the_path_of_the_identity(transform: str) -> None:
    assert_end_is_stem(with_factors(stem_and_end(network(transform, "scaled")), 0.0))


def stem_and_end(spec: Architecture) -> keras.Model:
    rows = plan(spec)
    ends = (rows.stages["stem"], rows.stages["stage2"])
    return randomised(build(replace(rows, outputs=ends), seed=0))


def assert_end_is_stem(model: keras.Model) -> None:
    """Where nothing but option A's shortcuts is left: every second pixel, and zero channels."""
    stem, end = (np.asarray(one) for one in model(images(), training=False))
    assert stem.max() > 0.1
    missing = end.shape[-1] - stem.shape[-1]
    identity = np.pad(stem[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, missing)))
    np.testing.assert_allclose(end, identity, rtol=0, atol=1e-30)


def test_resnet_is_a_special_case_of_highway_networks(transform: str) -> None:
    """With gates of their own, both forced to 1, y = 1 * x + 1 * H(x)."""
    model = trained(network(transform, "highway", gate={"coupled": False}))
    with_gates(model, "transform_gate", OPEN)
    with_gates(model, "carry_gate", OPEN)
    np.testing.assert_array_equal(outputs(model), twin(model, network(transform, "residual")))


@pytest.mark.quick_rows(2)
def test_shortcut_only_gating_lies_between_residual_and_plain(transform: str) -> None:
    model = trained(network(transform, "shortcut_gate"))
    residual = outputs(with_gates(model, "carry_gate", SHUT))
    np.testing.assert_array_equal(residual, twin(model, network(transform, "residual")))
    plain = outputs(with_gates(model, "carry_gate", OPEN))
    assert_equal_to_rounding(plain, twin(model, network(transform, "plain")))


def test_stochastic_depth_that_never_drops_is_the_residual_net(transform: str) -> None:
    model = trained(network(transform, "residual"))
    certain = network(transform, "stochastic", survival_probability=1.0)
    np.testing.assert_array_equal(outputs(model), twin(model, certain))


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("granularity", ["scalar", "channel"])
def test_a_scale_of_1_is_the_residual_net(transform: str, granularity: str) -> None:
    spec = network(transform, "scaled", scale={"granularity": granularity})
    model = with_factors(trained(spec), 1.0)
    np.testing.assert_array_equal(outputs(model), twin(model, network(transform, "residual")))


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize(
    ("carry", "kept", "connection"), [(1.0, 1.0, "residual"), (0.0, 1.0, "plain")]
)
def test_constants_of_1_and_0_are_residual_and_plain(
    transform: str, carry: float, kept: float, connection: str
) -> None:
    constants = {"carry": carry, "transform": kept}
    model = trained(network(transform, "constant", constants=constants))
    np.testing.assert_array_equal(outputs(model), twin(model, network(transform, connection)))


def drawn(rows: Plan, survivors: tuple[bool, ...]) -> Plan:
    """The training plan of one draw: each Bernoulli row is 0 or, as Keras's Dropout, 1 / p."""
    draws = iter(survivors)

    def row(one: Row) -> Row:
        if one.op != "dropout" or one.attributes["each"] != "batch":
            return one
        factor = 1.0 / (1.0 - one.attributes["rate"]) if next(draws) else 0.0
        return replace(one, op="rescale", attributes={"scale": factor, "offset": 0.0})

    return replace(rows, rows=tuple(row(one) for one in rows.rows))


def survival_probabilities(rows: Plan) -> list[float]:
    return [1.0 - row.attributes["rate"] for row in rows.rows if row.tags.part == "survival"]


def every_draw(spec: Architecture, model: keras.Model) -> Iterator[tuple[float, np.ndarray]]:
    """Each draw's probability, and the logits that training computes in it."""
    rows = plan(spec)
    chances = survival_probabilities(rows)
    for survivors in product([False, True], repeat=len(chances)):
        each = zip(survivors, chances, strict=True)
        probability = np.prod([p if survives else 1.0 - p for survives, p in each])
        one = build(drawn(rows, survivors), seed=0)
        copy_weights(model, one)
        yield float(probability), outputs(one)


LINEAR = {"activation": "none", "norm": "none", "bias": True}


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize(
    "connection",
    [{"connection": "stochastic"}, {"connection": "scaled"}, {"connection": "constant"}],
)
def test_inference_is_the_expectation_over_all_draws(connection: dict[str, Any]) -> None:
    """In a linear net the expectation of all 2^4 subnets is one net with each H weighed by p."""
    given = {**LINEAR, **connection, "survival_probability": 0.4}
    spec = network("basic", given.pop("connection"), **given)
    model = trained(spec)
    if spec.block.connection == "scaled":
        with_factors(model, 0.7)
    draws = list(every_draw(spec, model))
    assert len(draws) == 16
    assert sum(probability for probability, _ in draws) == pytest.approx(1.0)
    expectation = sum(probability * logits for probability, logits in draws)
    assert_equal_to_rounding(outputs(model), expectation)
    assert np.abs(draws[0][1] - draws[-1][1]).max() > 0.1


def test_a_block_infers_its_expectation_before_the_activation() -> None:
    """ReLU outside: p (x + H) + (1 - p) x = x + p H holds for the sum of each block."""
    spec = network("basic", "stochastic")
    rows = plan(spec)
    first = next(row for row in rows.rows if row.tags.part == "add")
    survival = rows.row(first.name.replace("add", "survival"))
    outputs = (first.inputs[0], survival.inputs[0], Ref(first.name))
    model = randomised(build(replace(rows, outputs=outputs), seed=0))
    x, h, y = (np.asarray(one) for one in model(images(), training=False))
    p = survival_probabilities(rows)[0]
    assert_equal_to_rounding(y, p * (x + h) + (1.0 - p) * x)


def test_training_draws_one_of_the_subnets_for_the_whole_batch() -> None:
    # a normalisation would take other statistics in training
    spec = network("conv", "stochastic").model_copy(update={"norm": Norm(kind="none")})
    model = trained(spec)
    subnets = [logits for _, logits in every_draw(spec, model)]
    seen = set()
    for _ in range(60):
        logits = np.asarray(model(images(), training=True))
        errors = [np.abs(logits - subnet).max() for subnet in subnets]
        assert min(errors) < 1e-4
        seen.add(int(np.argmin(errors)))
    assert len(seen) > 8
