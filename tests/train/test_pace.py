"""Rates of their own do what a slower or later training does, in every optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.spec.optimization import Optimizer
from reszoo.train.optimizer import build_optimizer, final_gradients, make_optimizer
from reszoo.train.pace import Pace

RATE = 0.1
GRADIENTS = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
KINDS = [
    {"kind": "sgd", "weight_decay": 0.01},
    {"kind": "sgd", "nesterov": False, "momentum": 0.0},
    {"kind": "sgd", "weight_decay": 0.01, "decay": "decoupled"},
    {"kind": "adam", "weight_decay": 0.01},
    {"kind": "adamw", "weight_decay": 0.01},
]
NAMES = [f"{one['kind']}-{number}" for number, one in enumerate(KINDS)]


def kernels(count):
    return [keras.Variable(np.ones((3, 2), np.float32), name=f"k{n}") for n in range(count)]


def trained(fields, rate, steps, *, paces=None, before=0):
    """One kernel after steps with the given gradients, `before` steps into the training."""
    options = Optimizer.model_validate(fields)
    late, other = kernels(2)
    optimizer = make_optimizer(options, rate, paced=paces is not None)
    build_optimizer(optimizer, options, [late, other], paces)
    optimizer.iterations.assign(before)
    for gradient in steps:
        given = [tf.constant(gradient)]
        optimizer.apply(final_gradients(given, [late], options), [late])
    return late.numpy()


@pytest.mark.parametrize("fields", KINDS, ids=NAMES)
def test_a_factor_on_the_rate_is_a_smaller_rate(fields):
    paced = trained(fields, RATE, GRADIENTS, paces=[Pace(0.25), Pace()])
    np.testing.assert_allclose(paced, trained(fields, RATE / 4, GRADIENTS), rtol=1e-6)


@pytest.mark.parametrize("fields", KINDS, ids=NAMES)
def test_what_learns_later_learns_as_at_the_start(fields):
    late = trained(fields, RATE, GRADIENTS[:5], paces=[Pace(1.0, 40), Pace()], before=40)
    np.testing.assert_allclose(late, trained(fields, RATE, GRADIENTS[:5]), rtol=2e-5)


def test_without_the_correction_a_late_adam_would_leap():
    # Three times too far: sqrt(1 - 0.999) and 1 - 0.9 are what its fresh moments lack.
    late = trained({"kind": "adam"}, RATE, GRADIENTS[:1], before=2000)
    first = trained({"kind": "adam"}, RATE, GRADIENTS[:1])
    assert np.abs(1 - late).min() > 2.5 * np.abs(1 - first).max()


def test_one_pace_for_all_needs_no_optimizer_of_ours():
    options = Optimizer()
    assert type(make_optimizer(options, RATE)) is keras.optimizers.SGD
