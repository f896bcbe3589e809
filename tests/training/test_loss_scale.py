"""Training in float16 leaves out the steps whose gradients are too large for it, and no others."""

import keras
import numpy as np
import tensorflow as tf

from reszoo.spec.optimizer import Optimizer
from reszoo.training.checkpoint.variables import read_variables, write_variables
from reszoo.training.loop.loop import Loop
from reszoo.training.loop.loss_scale import LossScale, all_finite
from reszoo.training.optimizers.optimizers import make_optimizer

IMAGES = tf.constant([[1.0, 0.0], [0.0, 1.0]])
LABELS = tf.constant([0, 1])


def half_loop(**options):
    layers = [
        keras.Input((2,)),
        keras.layers.Dense(4, kernel_initializer="ones", dtype="mixed_float16"),
        keras.layers.Dense(2, dtype="float32"),
    ]
    fields = Optimizer(momentum=0.9)
    model = keras.Sequential(layers)
    return Loop(model, make_optimizer(fields, 0.1), fields, batch=2, **options)


def numbers(scale):
    return [float(one.numpy()) for one in scale.variables]


def test_the_scale_halves_on_overflow_and_doubles_after_many_good_steps():
    scale = LossScale()
    scale.update(tf.constant(True))
    assert numbers(scale) == [2.0**15, 1]
    scale.update(tf.constant(False))
    assert numbers(scale) == [2.0**14, 0]
    scale.variables[1].assign(1999)
    scale.update(tf.constant(True))
    assert numbers(scale) == [2.0**15, 0]
    scale.variables[0].assign(1.0)
    scale.update(tf.constant(False))
    assert numbers(scale) == [1, 0] and not scale.can_decrease


def test_finite_means_all_of_all_gradients():
    assert all_finite([tf.ones(2), tf.ones([])]) == 1
    assert all_finite([tf.ones(2), tf.constant([1.0, np.inf])]) == 0


def test_a_step_that_overflows_changes_nothing_but_the_scale():
    loop = half_loop()
    loop.train(IMAGES, LABELS)
    before = read_variables(model=loop.model, optimizer=loop.optimizer)
    loop.loss_scale.variables[0].assign(2.0**24)  # 2^24 times any gradient here is beyond 65504.
    loop.train(IMAGES, LABELS)
    after = read_variables(model=loop.model, optimizer=loop.optimizer)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert numbers(loop.loss_scale) == [2.0**23, 0]
    assert loop.steps == 2 and loop.bad_step is None
    for _ in range(20):
        loop.train(IMAGES, LABELS)
    assert numbers(loop.loss_scale)[0] < 2.0**23 and loop.bad_step is None
    assert int(loop.optimizer.iterations) > 2


def test_what_no_scale_can_help_is_a_bad_step():
    loop = half_loop()
    loop.train(IMAGES * np.nan, LABELS)
    assert loop.bad_step == 1


def test_the_scale_is_part_of_the_state():
    loop, other = half_loop(), half_loop()
    loop.loss_scale.update(tf.constant(False))
    assert loop.owners["loss_scale"] is loop.loss_scale
    write_variables(read_variables(loss_scale=loop.loss_scale), loss_scale=other.loss_scale)
    assert numbers(other.loss_scale) == numbers(loop.loss_scale) == [2.0**14, 0]


def test_float16_learns_what_float32_learns():
    loop = half_loop()
    layers = [
        keras.Input((2,)),
        keras.layers.Dense(4, kernel_initializer="ones"),
        keras.layers.Dense(2),
    ]
    fields = Optimizer(momentum=0.9)
    full = Loop(keras.Sequential(layers), make_optimizer(fields, 0.1), fields, batch=2)
    assert full.loss_scale is None
    full.model.set_weights(loop.model.get_weights())
    for one in (loop, full):
        for _ in range(5):
            one.train(IMAGES, LABELS)
    for ours, theirs in zip(loop.model.weights, full.model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=2e-3)
