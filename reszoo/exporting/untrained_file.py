"""The `.tflite` of a spec for a target with random weights: what it would cost, without a training.

File size, operators, arena and latency do not depend on the values of weights.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from reszoo.data.dataset import numbered_classes
from reszoo.data.images.resizing import evaluation_format
from reszoo.exporting.inference_graph import SCOPE, InferenceGraph
from reszoo.exporting.tflite_converter import convert
from reszoo.exporting.tflite_file import complete_tflite
from reszoo.inference.trained import at_size
from reszoo.model.build import build
from reszoo.planning.network import plan
from reszoo.planning.rewrites import for_inference
from reszoo.spec.architecture import Architecture
from reszoo.spec.target import Target

_CALIBRATION_IMAGES = 8
_SEED = 0


def untrained_file(spec: Architecture, target: Target) -> bytes:
    """Returns the content of the `.tflite` that an export of a network would write.

    It has the operators, the metadata and the memory plan of the trained network's file, random
    weights, and ranges from random images.

    Raises:
      UserError: TFLite does not support an operation of the network.
    """
    network = _untrained_network(spec)
    calibration = _random_images(network.image_shape) if target.calibrates else None
    with tempfile.TemporaryDirectory(prefix="reszoo-untrained-") as scratch:
        content = convert(network, target, calibration, scratch=Path(scratch))
    model, _ = complete_tflite(content, network, target)
    return model.content


def _untrained_network(spec: Architecture) -> InferenceGraph:
    image_format = evaluation_format(spec.input)
    rows = for_inference(plan(at_size(spec, image_format)))
    model = build(replace(rows, name=SCOPE), dtype="float32", seed=_SEED)
    _vary_constants(model)
    classes = numbered_classes(spec.classes)
    return InferenceGraph(spec.name, spec.title, model, model, image_format, classes)


def _vary_constants(model: keras.Model) -> None:
    """Makes weights that start as one number differ, as in a trained network.

    A converter may simplify what a zero scale multiplies, or a factor of one.
    """
    generator = np.random.default_rng(_SEED)
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight)
        if not np.ptp(values):
            weight.assign(values + generator.uniform(0.1, 0.3, values.shape))


def _random_images(shape: tuple[int, int, int]) -> np.ndarray:
    """Returns random pixels with a black and a white image, so that the input's range is 0..255."""
    images = np.random.default_rng(_SEED).integers(0, 256, (_CALIBRATION_IMAGES, *shape))
    images[0], images[1] = 0, 255
    return images.astype(np.uint8)
