"""The sides of `train_step.py` and `train_memory.py` that run in TensorFlow, one per process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from turns import serve

import reszoo
from reszoo.data.tfdata_options import without_autotuning
from reszoo.spec import Architecture
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loop import Loop
from reszoo.training.optimizers.optimizers import make_optimizer

Steps = Callable[[int], None]


def main() -> None:
    """Runs the task on the command line whenever `train_step.py` gives a turn."""
    task = json.loads(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(task["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(task["threads"])
    spec = reszoo.load(task["net"], task["set"])
    make = {"reszoo": own_loop, "fit": fast_fit, "stock": stock_fit, "applications": applications}
    steps = make[task["kind"]](spec, task)
    serve(lambda: steps(2), lambda _: steps(task["steps"]))


def own_loop(spec: Architecture, task: dict[str, Any]) -> Steps:
    """Returns reszoo's own loop on the network as `reszoo train` builds it for a CPU."""
    model = reszoo.build(spec, dtype=task["precision"], device="cpu", seed=0)
    recipe = Optimizer(kind="sgd", momentum=0.9, nesterov=True, weight_decay=0.0)
    loop = Loop(model, make_optimizer(recipe, 0.01), recipe, batch=task["batch"])
    batches = repeated_batch(spec, task)

    def steps(count: int) -> None:
        for images, labels in batches.take(count):
            loop.train(images, labels)
        loop.results(loop.training_metrics)

    return steps


def fast_fit(spec: Architecture, task: dict[str, Any]) -> Steps:
    """Returns `fit` on the same layers."""
    model = reszoo.build(spec, dtype=task["precision"], device="cpu", seed=0)
    return fit(model, repeated_batch(spec, task), from_logits=True)


def stock_fit(spec: Architecture, task: dict[str, Any]) -> Steps:
    """Returns `fit` on the same network in stock Keras layers."""
    model = reszoo.build(spec, dtype=task["precision"], seed=0)
    return fit(model, repeated_batch(spec, task), from_logits=True)


def applications(spec: Architecture, task: dict[str, Any]) -> Steps:
    """Returns `fit` on the network of that name in keras.applications, under a global policy."""
    keras.config.set_dtype_policy(task["precision"])
    network = application_of(spec)
    model = network(weights=None, input_shape=spec.input.shape, classes=spec.classes)
    batches = repeated_batch(spec, task).map(lambda images, labels: (images / 255, labels))
    return fit(model, batches.take(1).cache().repeat(), from_logits=False)


def application_of(spec: Architecture) -> Callable[..., keras.Model]:
    """Returns the function of keras.applications that builds the network of that name."""
    names = {name.lower(): name for name in dir(keras.applications) if name[0].isupper()}
    return getattr(keras.applications, names[spec.name.replace("_", "")])


def fit(model: keras.Model, batches: tf.data.Dataset, *, from_logits: bool) -> Steps:
    """Returns the steps of `fit` without XLA, which is slower on CPUs."""
    model.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return lambda count: model.fit(batches, steps_per_epoch=count, epochs=1, verbose=0)


def repeated_batch(spec: Architecture, task: dict[str, Any]) -> tf.data.Dataset:
    """Returns one batch, repeated.

    With autotuning, a round may take twice as long on any side; see `without_autotuning`.
    """
    generator = tf.random.Generator.from_seed(0)
    shape = (task["batch"], *spec.input.shape)
    images = tf.cast(generator.uniform(shape, maxval=256, dtype=tf.int32), tf.uint8)
    labels = generator.uniform(shape[:1], maxval=spec.classes, dtype=tf.int32)
    return without_autotuning(tf.data.Dataset.from_tensors((images, labels)).repeat())


if __name__ == "__main__":
    main()
