"""One step does the arithmetic it says, on one replica and on two."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loop import Loop
from reszoo.training.loop.losses import cross_entropy, weighted
from reszoo.training.optimizers.optimizers import make_optimizer
from tests.training.processes import four_cpus

IMAGES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]], np.float32)
LABELS = np.array([0, 1, 1, 0], np.int32)


def linear_loop(**options):
    """A linear classifier that starts at 0: each class has probability one half."""
    dense = keras.layers.Dense(2, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), dense])
    fields = Optimizer(momentum=0.0)
    return Loop(model, make_optimizer(fields, 1.0), fields, batch=4, **options), dense


def test_a_step_is_the_mean_gradient():
    loop, dense = linear_loop()
    loop.train(tf.constant(IMAGES), tf.constant(LABELS))
    # The gradient of the logits is (probability - target) / batch.
    slope = (0.5 - np.eye(2)[LABELS]) / 4
    np.testing.assert_allclose(dense.kernel.numpy(), -IMAGES.T @ slope, atol=1e-6)
    assert loop.steps == 1
    assert loop.results(loop.training_metrics)["loss"] == pytest.approx(np.log(2))


def test_class_weights_scale_the_losses_of_their_class():
    loop, dense = linear_loop(losses=weighted(cross_entropy(), (3.0, 0.5)))
    loop.train(tf.constant(IMAGES), tf.constant(LABELS))
    weights = np.array([3.0, 0.5])[LABELS][:, None]
    slope = weights * (0.5 - np.eye(2)[LABELS]) / 4
    np.testing.assert_allclose(dense.kernel.numpy(), -IMAGES.T @ slope, atol=1e-6)


def test_labels_are_smoothed_in_training_only():
    loop, dense = linear_loop(losses=cross_entropy(0.2))
    loop.train(tf.constant(IMAGES), tf.constant(LABELS))
    slope = (0.5 - (0.8 * np.eye(2)[LABELS] + 0.1)) / 4
    np.testing.assert_allclose(dense.kernel.numpy(), -IMAGES.T @ slope, atol=1e-6)
    logits = IMAGES @ dense.kernel.numpy() + dense.bias.numpy()
    likelihood = np.exp(logits)[np.arange(4), LABELS] / np.exp(logits).sum(1)
    source = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(3)
    assert loop.evaluate(source)["val_loss"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-5)


def test_the_first_bad_step_is_remembered():
    loop, _ = linear_loop()
    loop.train(tf.constant(IMAGES), tf.constant(LABELS))
    assert loop.bad_step is None
    for _ in range(3):
        loop.train(tf.constant(IMAGES * np.nan), tf.constant(LABELS))
    assert loop.bad_step == 2
    loop.restore_step(1)
    assert loop.bad_step is None


TWO_REPLICAS = """
    import keras, numpy as np, tensorflow as tf
    from reszoo.spec.optimizer import EMA, Optimizer
    from reszoo.training.loop.loop import Loop
    from reszoo.training.optimizers.optimizers import make_optimizer

    random = np.random.default_rng(0)
    images = random.normal(size=(33, 6)).astype("float32")
    labels = random.integers(0, 3, 33).astype("int32")
    options = Optimizer(weight_decay=0.01, clip_norm=0.05)

    def trained(strategy):
        with strategy.scope():
            keras.utils.set_random_seed(1)
            model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "tanh"),
                                      keras.layers.Dense(3)])
            optimizer = make_optimizer(options, 0.5, ema=EMA(kept=0.9))
        loop = Loop(model, optimizer, options, batch=8, strategy=strategy)
        source = tf.data.Dataset.from_tensor_slices((images, labels))
        for batch in loop.distributed(source.batch(8, drop_remainder=True)):
            loop.train(*batch)
        loop.average_statistics()
        return loop

    # What replicas share are full batches; padding weighs nothing.
    padded = tf.data.Dataset.from_tensor_slices((
        np.concatenate([images, images[:7]]), np.concatenate([labels, labels[:7]]),
        (np.arange(40) < 33).astype("float32"),
    )).batch(8, drop_remainder=True)
    one = trained(tf.distribute.get_strategy())
    two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    seen_by_one = one.evaluate(tf.data.Dataset.from_tensor_slices((images, labels)).batch(8))
    seen_by_two = two.evaluate(padded)
    assert two.strategy.num_replicas_in_sync == 2 and two.steps == 4
    for ours, theirs in zip(one.model.weights, two.model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)
    for name, value in seen_by_one.items():
        np.testing.assert_allclose(value, seen_by_two[name], atol=1e-6)
    for name, value in one.results(one.training_metrics).items():
        np.testing.assert_allclose(value, two.results(two.training_metrics)[name], atol=1e-6)
"""


@pytest.mark.slow  # test_replicas.py shows each of it quickly, on networks of our layers
def test_two_replicas_clip_decay_and_count_as_one():
    process = four_cpus()  # Of its own: in one that had run other programs, this one failed.
    try:
        process(TWO_REPLICAS)
    finally:
        process.close()
