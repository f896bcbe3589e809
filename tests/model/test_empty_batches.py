from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo import spec
from reszoo.model.build import build
from reszoo.model.empty_batches import allow_empty_batches
from reszoo.model.folded_graph import folded_graph
from reszoo.planning.network import plan


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["resnet8_digits", "highway10_w16_mnist"])
def test_folded_networks_take_no_images(name: str, dtype: str, monkeypatch: Any) -> None:
    """On processors without oneDNN's kernels the check stands for their failure."""
    convolve = tf.nn.conv2d

    def checked(x: tf.Tensor, *arguments: Any) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.assert_positive(tf.shape(x))]):
            return convolve(tf.identity(x), *arguments)

    monkeypatch.setattr(tf.nn, "conv2d", checked)
    architecture = spec.load(name)
    shape = architecture.input.shape
    folded = folded_graph(build(architecture, seed=0), plan(architecture), dtype)
    signature = [tf.TensorSpec((None, *shape))]
    network = tf.function(allow_empty_batches(folded), input_signature=signature)
    assert network(np.zeros((0, *shape), np.float32)).shape == (0, architecture.classes)
    assert network(np.zeros((2, *shape), np.float32)).shape == (2, architecture.classes)


def test_other_batches_have_the_same_logits() -> None:
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
    images = np.random.default_rng(0).normal(size=(4, 2, 2, 1)).astype(np.float32)
    expected = model(images)
    network = tf.function(
        allow_empty_batches(model), input_signature=[tf.TensorSpec((None, 2, 2, 1))]
    )
    np.testing.assert_array_equal(network(images), expected)
    assert network(images[:0]).shape == (0, 3)
