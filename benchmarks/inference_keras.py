"""The sides of `inference.py` that run in TensorFlow, one per process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from train_keras import application_of
from turns import serve

import reszoo
from reszoo.inference.evaluate import inference_function
from reszoo.inference.trained import TrainedModel
from reszoo.spec import Architecture

Predict = Callable[[], Any]


def main() -> None:
    """Runs the task on the command line whenever `inference.py` gives a turn."""
    task = json.loads(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(task["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(task["threads"])
    spec = reszoo.load(task["net"])
    shape = (task["batch"], *spec.input.shape)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, shape), tf.uint8)
    make = {"reszoo": folded, "canonical": canonical, "applications": applications}
    predict = make[task["kind"]](spec, images, task["precision"])

    def repeat(count: int) -> None:
        for _ in range(count):
            predict()

    serve(lambda: repeat(3), lambda _: repeat(task["calls"]))


def folded(spec: Architecture, images: tf.Tensor, precision: Any) -> Predict:
    """Returns reszoo's folded network."""
    model = random_statistics(reszoo.build(spec, seed=0))
    network = reszoo.fold(TrainedModel(model, spec, None, None), computes=precision)
    return lambda: network(images).numpy()


def canonical(spec: Architecture, images: tf.Tensor, precision: str) -> Predict:
    """Returns the stock Keras layers in one graph."""
    call = inference_function(random_statistics(reszoo.build(spec, seed=0, dtype=precision)))
    return lambda: call(images).numpy()


def applications(spec: Architecture, images: tf.Tensor, precision: str) -> Predict:
    """Returns the network of that name in keras.applications, under a global policy."""
    keras.config.set_dtype_policy(precision)
    network = application_of(spec)
    model = random_statistics(network(weights=None, input_shape=spec.input.shape))
    model.compile(jit_compile=False)  # XLA is slower on CPUs
    pixels = images.numpy().astype(np.float32) / 255
    return lambda: model.predict_on_batch(pixels)


def random_statistics(model: keras.Model) -> keras.Model:
    """Returns the model with normalisations as a training may leave them."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in (layer.gamma, layer.moving_variance):
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            for weight in (layer.beta, layer.moving_mean):
                weight.assign(rng.uniform(-0.3, 0.3, weight.shape))
    return model


if __name__ == "__main__":
    main()
