"""Recomputed statistics are the means over the batches, for the weights as they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.inference.trained import load_trained
from reszoo.model.build import build
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loop import Loop
from reszoo.training.loop.precise_bn import compute_precise_bn_stats
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.train import train
from tests.training.samples import SHORT, TINY, bar_data, bars


def loop_of(model):
    options = Optimizer()
    return Loop(model, make_optimizer(options, 0.1), options, batch=8)


def test_statistics_become_the_means_over_the_batches():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input((3,)), layer])
    images = np.random.default_rng(0).normal(2.0, 3.0, (24, 3)).astype(np.float32)
    source = tf.data.Dataset.from_tensor_slices((images, np.zeros(24, np.int32))).batch(8)
    compute_precise_bn_stats(loop_of(model), source)
    parts = images.reshape(3, 8, 3)
    np.testing.assert_allclose(layer.moving_mean, parts.mean(1).mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, parts.var(1).mean(0), rtol=1e-5)
    assert layer.momentum == 0.9


@pytest.mark.parametrize("device", [None, "cpu"])
def test_fast_layers_find_the_same_and_frozen_ones_keep_theirs(device):
    # Without stochastic depth, so that all replays see the same.
    spec = TINY.model_copy(
        update={"block": TINY.block.model_copy(update={"connection": "residual"})}
    )
    images, labels = bars(16)
    source = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    model = build(spec, seed=3, device=device)
    model.get_layer("stage1_block1_norm1").trainable = False
    compute_precise_bn_stats(loop_of(model), source)
    stem = keras.Model(model.input, model.get_layer("stem_conv").output)(images).numpy()
    wanted = stem.reshape(2, -1, 4)
    layer = model.get_layer("stem_norm")
    np.testing.assert_allclose(layer.moving_mean, wanted.mean(1).mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, wanted.var(1).mean(0), rtol=1e-4)
    assert not model.get_layer("stage1_block1_norm1").moving_mean.numpy().any()
    assert model.get_layer("stage1_block1_norm2").moving_mean.numpy().any()


def test_a_recipe_may_ask_for_it_and_the_weights_stay(tmp_path):
    kept = SHORT.model_copy(
        update={"epochs": 1, "validation": SHORT.validation.model_copy(update={"keep": "last"})}
    )
    found = []
    for images in (None, 40):
        recipe = kept.model_copy(update={"norm_images": images})
        run = train(TINY, bar_data(), recipe, seed=1, out=tmp_path / str(images), quiet=True)
        found.append({one.path: one.numpy() for one in load_trained(run).model.weights})
    moved = {path for path, value in found[0].items() if (value != found[1][path]).any()}
    assert moved == {path for path in found[0] if "/moving_" in path}
