"""TFLite files of untrained networks, for measurements in which the weights do not matter."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reszoo import spec as specs
from reszoo.exporting.inference_graph import build_inference_graph
from reszoo.exporting.tflite_converter import convert
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build


def converted(name: str, overrides: Sequence[str], target: str) -> bytes:
    """Returns the file of an untrained network of the zoo, for a target of `export/targets/`."""
    spec = specs.load(name, overrides)
    classes = tuple(map(str, range(spec.classes or 10)))
    network = build_inference_graph(TrainedModel(build(spec, seed=0), spec, classes, None))
    # Smooth images: calibration on noise would be refused, and values do not matter here.
    ramp = np.linspace(0, 255, np.prod(network.image_shape)).reshape(network.image_shape)
    images = np.stack([ramp, 255 - ramp, 0 * ramp, 0 * ramp + 255]).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        return convert(network, specs.load_target(target), images, scratch=Path(folder))
