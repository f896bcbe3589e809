"""A network built for the CPU trains like the canonical one and is saved as it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.model.features import features
from reszoo.model.fused.batch_norm import FusedBatchNormalization
from reszoo.model.fused.conv import ProductConv2D
from reszoo.model.fused.highway_merge import GatedMerge, InterleavedMerge
from reszoo.model.fused.relu import AddReLU, FusedReLU
from reszoo.model.layer_factories import DEVICE_LAYERS
from reszoo.model.saving import load_model, save_model
from reszoo.spec import Architecture
from tests.model.specs import small


def highways(**gate: object) -> Architecture:
    """Maps large enough for the merge: 16x16x64."""
    return small(
        norm="none",
        input={"shape": [16, 16, 3], "mean": [120.0, 110.0, 100.0], "std": 60.0},
        stem={"filters": 64},
        block={"transform": "conv", "connection": "highway", "gate": {"bias": -1.0, **gate}},
        stages=[{"depth": 2, "width": 64}],
    )


def bottlenecks() -> Architecture:
    """Wide enough for the other fast rows: maps of 16x16x256 and of 8x8x512."""
    return small(
        input={"shape": [16, 16, 3], "mean": [120.0, 110.0, 100.0], "std": 60.0},
        stem={"filters": 64},
        block={"transform": "bottleneck", "shortcut": "projection"},
        stages=[{"depth": 2, "width": 64}, {"depth": 1, "width": 128, "stride": 2}],
    )


Step = tuple[float, np.ndarray, np.ndarray]


def step(model: keras.Model) -> Step:
    """The loss, the gradient and the moving statistics of one training step."""
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (8, 16, 16, 3)), tf.uint8)
    labels = tf.constant(rng.integers(0, 5, 8))

    @tf.function
    def train() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, [one.value for one in model.trainable_variables])

    loss, gradients = train()
    by_path = dict(zip([one.path for one in model.trainable_variables], gradients, strict=True))
    moving = {one.path: one.value for one in model.non_trainable_variables}
    return float(loss), _joined(by_path), _joined(moving)


def _joined(tensors: dict[str, tf.Tensor]) -> np.ndarray:
    flat = [np.float64(tensors[path]).ravel() for path in sorted(tensors)]
    return np.concatenate([*flat, np.zeros(0)])


@pytest.fixture(scope="module")
def exact() -> Step:
    return step(build(bottlenecks(), seed=1))


def test_step_in_float32_equals_the_canonical_step(
    exact: Step,
) -> None:
    model = build(bottlenecks(), seed=1, device="cpu")
    assert any(isinstance(layer, ProductConv2D) for layer in model.layers)
    for found, expected in zip(step(model), exact, strict=True):
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        assert error < 1e-3


def test_step_in_bfloat16_is_as_near_to_float32_as_the_canonical_one(
    exact: Step,
) -> None:
    stock = step(build(bottlenecks(), seed=1, dtype="mixed_bfloat16"))
    model = build(bottlenecks(), seed=1, dtype="mixed_bfloat16", device="cpu")
    for kind in (FusedBatchNormalization, ProductConv2D, AddReLU):
        assert any(isinstance(layer, kind) for layer in model.layers)
    norms = [layer for layer in model.layers if isinstance(layer, FusedBatchNormalization)]
    assert {norm.relu for norm in norms} == {False, True}
    assert_as_near(step(model), stock, exact)


def test_highway_step_in_bfloat16_is_as_near_to_float32_as_the_canonical_one() -> None:
    stock = step(build(highways(), seed=1, dtype="mixed_bfloat16"))
    model = build(highways(), seed=1, dtype="mixed_bfloat16", device="cpu")
    merges = [layer for layer in model.layers if isinstance(layer, InterleavedMerge)]
    assert [merge.copies for merge in merges] == [2, 1]
    assert_as_near(step(model), stock, step(build(highways(), seed=1)))


def test_highway_step_with_small_gates_is_as_near_to_float32_as_the_canonical_one() -> None:
    spec = highways(kernel=1)
    stock = step(build(spec, seed=1, dtype="mixed_bfloat16"))
    model = build(spec, seed=1, dtype="mixed_bfloat16", device="cpu")
    merges = [layer for layer in model.layers if isinstance(layer, GatedMerge)]
    assert [(merge.relu, merge.copies) for merge in merges] == [(True, 3), (True, 1)]
    assert_as_near(step(model), stock, step(build(spec, seed=1)))


def test_joint_convolutions_keep_the_weights_of_the_canonical_network_in_order() -> None:
    model = build(highways(), dtype="mixed_bfloat16", device="cpu")
    canonical = build(highways())
    for fast, stock in zip(model.weights, canonical.weights, strict=True):
        assert (fast.path, fast.shape) == (stock.path, stock.shape)


def assert_as_near(found: Step, stock: Step, exact: Step) -> None:
    """Loss, gradients and statistics: no further from float32 than those of stock layers."""
    for value, other, expected in zip(found, stock, exact, strict=True):
        error, usual = (np.linalg.norm(one - expected) for one in (value, other))
        assert error <= 1.2 * usual + 1e-2 * np.linalg.norm(expected)


def test_fast_network_is_saved_and_handed_out_as_the_canonical_one(tmp_path: Path) -> None:
    spec = bottlenecks()
    model = build(spec, seed=1, dtype="mixed_bfloat16", device="cpu")
    assert any(isinstance(layer, (AddReLU, FusedReLU)) for layer in model.layers)
    step(model)
    save_model(model, tmp_path / "net.keras", spec=spec)
    opened = load_model(tmp_path / "net.keras").model
    canonical = build(spec)
    assert [layer.name for layer in opened.layers] == [layer.name for layer in canonical.layers]
    assert not any(isinstance(layer, DEVICE_LAYERS) for layer in opened.layers)
    copy_weights(model, canonical)
    images = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3), np.uint8)
    np.testing.assert_array_equal(opened(images), canonical(images))
    stages = ["stem", "stage1", "stage2"]
    found, expected = features(model, stages)(images), features(canonical, stages)(images)
    for name in stages:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(np.float32(found[name]), expected[name], atol=0.15, rtol=0.1)
