"""Losses of a training, one per example.

Targets are int32 labels of shape `(batch,)` or, after mixup and cutmix, float32 shares of the
classes of shape `(batch, classes)`, before label smoothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from reszoo.spec.recipe import Recipe

ExampleLosses = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From targets and logits `(batch, classes)` to losses `(batch,)` in the dtype of the logits."""


def example_losses(recipe: Recipe, class_weights: Sequence[float] | None = None) -> ExampleLosses:
    """Returns the loss of a recipe."""
    if recipe.loss.kind == "cross_entropy":
        losses = cross_entropy(recipe.label_smoothing)
    else:
        losses = binary_cross_entropy(recipe.label_smoothing, recipe.loss.threshold)
    return losses if class_weights is None else weighted(losses, class_weights)


def cross_entropy(label_smoothing: float = 0.0) -> ExampleLosses:
    """Returns softmax cross-entropy; smoothing spreads that share over all classes."""

    def losses(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        shares = _smooth(class_shares(targets, logits), label_smoothing)
        return tf.nn.softmax_cross_entropy_with_logits(shares, logits)

    return losses


def binary_cross_entropy(
    label_smoothing: float = 0.0, threshold: float | None = None
) -> ExampleLosses:
    """Returns sigmoid cross-entropy, averaged over the classes (Wightman 2021, timm).

    Args:
      label_smoothing: as in `cross_entropy`, before the threshold.
      threshold: shares above it become 1 and all others 0, so that an image mixed of two classes
        has both. Defaults to the shares themselves.
    """

    def losses(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        shares = _smooth(class_shares(targets, logits), label_smoothing)
        if threshold is not None:
            shares = tf.cast(shares > threshold, logits.dtype)
        each = tf.nn.sigmoid_cross_entropy_with_logits(shares, logits)
        return tf.reduce_mean(each, axis=-1)

    return losses


def weighted(losses: ExampleLosses, class_weights: Sequence[float]) -> ExampleLosses:
    """Returns losses multiplied by the weight of their class; mixed images use the mean."""
    weights = np.asarray(class_weights, np.float64)

    def weighted_losses(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        factors = tf.linalg.matvec(class_shares(targets, logits), weights.astype(logits.dtype.name))
        return losses(targets, logits) * factors

    return weighted_losses


def class_shares(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Converts targets of either kind to shares, in the shape and dtype of the logits."""
    if targets.dtype.is_integer:
        return tf.one_hot(targets, logits.shape[-1], dtype=logits.dtype)
    return tf.cast(targets, logits.dtype)


def labels_of(targets: tf.Tensor) -> tf.Tensor:
    """Converts targets of either kind to labels `(batch,)`; the larger share of a mixed image."""
    if targets.dtype.is_integer:
        return targets
    return tf.argmax(targets, axis=-1, output_type=tf.int32)


def _smooth(shares: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    if not label_smoothing:
        return shares
    return shares * (1 - label_smoothing) + label_smoothing / shares.shape[-1]
