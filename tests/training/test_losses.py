"""Losses equal their formulas, for labels and for shares of classes."""

import numpy as np
import pytest
import tensorflow as tf

from reszoo import spec
from reszoo.training.loop.losses import (
    binary_cross_entropy,
    class_shares,
    cross_entropy,
    example_losses,
    labels_of,
    weighted,
)

RANDOM = np.random.default_rng(3)
LOGITS = RANDOM.normal(size=(4, 5)) * 3
LABELS = np.array([1, 0, 4, 2], np.int32)
MIXED = (0.7 * np.eye(5)[LABELS] + 0.3 * np.eye(5)[LABELS[::-1]]).astype(np.float32)
TARGETS = {"labels": LABELS, "shares": MIXED}
SHARES = {"labels": np.eye(5)[LABELS], "shares": MIXED}


def softmax_entropy(shares):
    logs = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
    return -(shares * logs).sum(1)


def sigmoid_entropy(shares):
    there = 1 / (1 + np.exp(-LOGITS))
    return -(shares * np.log(there) + (1 - shares) * np.log(1 - there)).mean(1)


def of(losses, targets):
    found = losses(tf.constant(targets), tf.constant(LOGITS, tf.float32))
    assert found.shape == (4,)
    assert found.dtype == tf.float32
    return found.numpy()


@pytest.mark.parametrize("kind", ["labels", "shares"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_each_loss_is_its_formula(kind, smoothing):
    shares = SHARES[kind] * (1 - smoothing) + smoothing / 5
    found = of(cross_entropy(smoothing), TARGETS[kind])
    np.testing.assert_allclose(found, softmax_entropy(shares), rtol=1e-5)
    found = of(binary_cross_entropy(smoothing), TARGETS[kind])
    np.testing.assert_allclose(found, sigmoid_entropy(shares), rtol=1e-5)


def test_above_the_threshold_both_mixed_classes_are_there():
    both = of(binary_cross_entropy(threshold=0.2), MIXED)
    np.testing.assert_allclose(both, sigmoid_entropy(np.ceil(MIXED)), rtol=1e-5)
    larger = of(binary_cross_entropy(threshold=0.5), MIXED)
    np.testing.assert_allclose(larger, sigmoid_entropy(np.eye(5)[LABELS]), rtol=1e-5)


@pytest.mark.parametrize("kind", ["labels", "shares"])
def test_class_weights_scale_each_loss_by_the_weights_of_its_classes(kind):
    weights = np.array([1.0, 2.0, 0.5, 3.0, 0.25])
    found = of(weighted(cross_entropy(), weights), TARGETS[kind])
    expected = softmax_entropy(SHARES[kind]) * (SHARES[kind] @ weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_mixed_images_count_as_their_larger_part():
    assert labels_of(tf.constant(MIXED)).numpy().tolist() == LABELS.tolist()
    assert labels_of(tf.constant(LABELS)).numpy().tolist() == LABELS.tolist()


def test_losses_keep_the_precision_of_the_logits():
    exact = cross_entropy(0.1)(tf.constant(MIXED), tf.constant(LOGITS))
    assert exact.dtype == tf.float64
    assert class_shares(tf.constant(LABELS), tf.constant(LOGITS)).dtype == tf.float64


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, cross_entropy()),
        ({"label_smoothing": 0.1}, cross_entropy(0.1)),
        ({"loss": "binary_cross_entropy"}, binary_cross_entropy()),
        (
            {"loss": {"kind": "binary_cross_entropy", "threshold": 0.2}, "label_smoothing": 0.1},
            binary_cross_entropy(0.1, 0.2),
        ),
    ],
)
def test_a_recipe_names_its_loss(fields, expected):
    minimal = {"name": "one", "epochs": 1, "batch": 4, "schedule": "constant"}
    recipe = spec.from_mapping(minimal | fields, "recipe")
    np.testing.assert_array_equal(of(example_losses(recipe), MIXED), of(expected, MIXED))
    twice = example_losses(recipe, [2.0] * 5)
    np.testing.assert_allclose(of(twice, MIXED), 2 * of(expected, MIXED), rtol=1e-6)
