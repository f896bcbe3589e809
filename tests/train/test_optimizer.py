"""Weight decay, clipping and momentum do the papers' arithmetic."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.spec.optimization import Optimizer
from reszoo.train.optimizer import build_optimizer, final_gradients, make_optimizer

RATE, DECAY = 0.1, 0.01


def stepped(fields, gradients, steps=1):
    """A kernel of ones and a bias of ones after equal steps with the given gradients."""
    options = Optimizer.model_validate(fields)
    kernel = keras.Variable(np.ones((2, 2), np.float32), name="kernel")
    bias = keras.Variable(np.ones(2, np.float32), name="bias")
    optimizer = make_optimizer(options, RATE)
    build_optimizer(optimizer, options, [kernel, bias])
    for _ in range(steps):
        given = [tf.fill((2, 2), gradients[0]), tf.fill((2,), gradients[1])]
        optimizer.apply(final_gradients(given, [kernel, bias], options), [kernel, bias])
    return float(kernel.numpy()[0, 0]), float(bias.numpy()[0])


def test_plain_sgd_subtracts_rate_times_gradient():
    kernel, bias = stepped({"momentum": 0.0}, (0.5, 0.25))
    assert kernel == pytest.approx(1 - 0.1 * 0.5)
    assert bias == pytest.approx(1 - 0.1 * 0.25)


def test_coupled_decay_goes_through_the_momentum_and_spares_the_bias():
    fields = {"momentum": 0.9, "nesterov": False, "weight_decay": DECAY}
    kernel, bias = stepped(fields, (0.0, 0.0), steps=2)
    # Velocity v = 0.9 v - rate * decay * w, with w = 1 at first.
    velocity = -RATE * DECAY * 1.0
    weight = 1.0 + velocity
    velocity = 0.9 * velocity - RATE * DECAY * weight
    assert kernel == pytest.approx(weight + velocity, rel=1e-6)
    assert bias == 1.0


def test_decoupled_decay_shrinks_the_weight_by_rate_times_decay():
    fields = {"momentum": 0.9, "weight_decay": DECAY, "decay": "decoupled"}
    kernel, bias = stepped(fields, (0.0, 0.0), steps=2)
    assert kernel == pytest.approx((1 - RATE * DECAY) ** 2, rel=1e-6)
    assert bias == 1.0


@pytest.mark.parametrize("decay", ["coupled", "decoupled"])
def test_vectors_decay_when_asked(decay):
    fields = {
        "momentum": 0.0,
        "weight_decay": DECAY,
        "decay": decay,
        "decay_norm_and_bias": True,
    }
    assert stepped(fields, (0.0, 0.0)) == pytest.approx((0.999, 0.999))


def test_adamw_decays_decoupled_and_adam_coupled():
    # With no other gradient, coupled decay is the whole gradient: Adam's first step is the rate.
    coupled, _ = stepped({"kind": "adam", "weight_decay": DECAY}, (0.0, 0.0))
    decoupled, _ = stepped({"kind": "adamw", "weight_decay": DECAY}, (0.0, 0.0))
    assert coupled == pytest.approx(1 - RATE, rel=1e-4)
    assert decoupled == pytest.approx(1 - RATE * DECAY, rel=1e-6)


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    # Four threes and two fours: the norm is sqrt(4 * 9 + 2 * 16) = sqrt(68).
    kernel, bias = stepped({"momentum": 0.0, "clip_norm": 1.0}, (3.0, 4.0))
    assert kernel == pytest.approx(1 - RATE * 3 / np.sqrt(68), rel=1e-6)
    assert bias == pytest.approx(1 - RATE * 4 / np.sqrt(68), rel=1e-6)


def test_nesterov_looks_ahead():
    plain, _ = stepped({"momentum": 0.5, "nesterov": False}, (1.0, 0.0), steps=2)
    ahead, _ = stepped({"momentum": 0.5, "nesterov": True}, (1.0, 0.0), steps=2)
    assert plain == pytest.approx(1 - 0.1 - 0.15)
    # Each step moves by 0.5 v - 0.1, with v = -0.1 and then -0.15.
    assert ahead == pytest.approx(1 - 0.15 - 0.175)
