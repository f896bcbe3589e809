"""The network that is exported: the canonical float32 graph with trained weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.errors import UserError
from reszoo.exporting.report_progress import report_progress
from reszoo.inference.folding import can_fold, canonical_plan
from reszoo.inference.predict import batch_size_for
from reszoo.inference.trained import TrainedModel, at_size
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.model.quantized_model import is_fake_quantized
from reszoo.planning.network import plan
from reszoo.planning.rewrites import for_inference
from reszoo.planning.rows import Plan

SCOPE = "net"
"""Prefix of every tensor name in a .tflite; short, because it is stored with each of them."""
_REBUILT = (
    "Compared with the float32 network rebuilt from the spec: the model given computes in a lower "
    "precision."
)


@dataclass(frozen=True)
class InferenceGraph:
    """A trained network and its inference graph.

    `reference` is the trained model; `model` computes the same in float32, from images
    `(batch, height, width, channels)` of pixels 0..255 to logits `(batch, classes)`.
    """

    name: str
    title: str | None
    reference: keras.Model
    model: keras.Model
    image_format: ImageFormat
    classes: tuple[str, ...]
    plan: Plan | None = None
    """The model's canonical plan; None for a model without a spec or a fake-quantized one."""
    note: str | None = None
    """A remark on the reference for the parity report."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.image_format.shape

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names for files with one name per line: a line break becomes a space."""
        return tuple(" ".join(name.splitlines()) for name in self.classes)

    @cached_property
    def is_fake_quantized(self) -> bool:
        """Whether the network has learned its int8 ranges, so that it needs no calibration."""
        return is_fake_quantized(self.model)

    @cached_property
    def weight_bytes(self) -> int:
        """Size of all weights in float32."""
        return 4 * int(self.model.count_params())

    def log_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns the reference's log-probabilities `(images, classes)`, float64.

        Takes pixels 0..255 and runs on the CPU, where float32 is float32.
        """
        from scipy.special import log_softmax

        size = batch_size_for(self.image_format)
        starts = range(0, len(images), size)
        with tf.device("CPU:0"):
            batches = [
                np.asarray(self.reference(images[start : start + size], training=False))
                for start in report_progress(starts, "computing Keras's outputs", "batches")
            ]
        return log_softmax(np.concatenate(batches).astype(np.float64), axis=-1)


def build_inference_graph(trained: TrainedModel) -> InferenceGraph:
    """Builds the inference graph of a trained network; a model without a spec is taken as it is.

    Raises:
      UserError: the model has no spec, and does not map one raw image to one vector of logits in
        float32.
    """
    model, spec, image_format = trained.model, trained.spec, trained.image_format
    if spec is None:
        _require_exportable(model)
        name, title, graph = model.name, None, model
    elif trained.is_fake_quantized:
        name, title, graph = spec.name, spec.title, trained.evaluation_model()
    else:
        name, title = spec.name, spec.title
        rows = for_inference(plan(at_size(spec, image_format)))
        graph = build(replace(rows, name=SCOPE), dtype="float32")
        copy_weights(model, graph)
    is_float32 = _is_float32(model)
    return InferenceGraph(
        name=name,
        title=title,
        reference=trained.evaluation_model() if is_float32 else graph,
        model=graph,
        image_format=image_format,
        classes=trained.class_names,
        plan=canonical_plan(trained) if can_fold(trained) else None,
        note=None if is_float32 else _REBUILT,
    )


def _require_exportable(model: keras.Model) -> None:
    outputs = model.output_shape
    if not isinstance(outputs, tuple) or len(outputs) != 2:
        raise UserError(
            "this Keras model cannot be exported without a spec",
            expected="one output of shape (batch, classes)",
            found=str(outputs),
            hint="save it with reszoo, whose files carry their spec",
        )
    last = model.layers[-1]
    softmax = getattr(last, "activation", None) is keras.activations.softmax
    if softmax or isinstance(last, keras.layers.Softmax):
        raise UserError(
            "this Keras model ends in a softmax, which the export adds itself",
            expected="logits as the model's output",
            hint="export the model without its last activation",
        )
    if not _is_float32(model):
        raise UserError(
            "this Keras model computes in a lower precision and has no spec to rebuild it from",
            expected="a float32 model, or one saved by reszoo",
            hint="build it after keras.config.set_dtype_policy('float32'), and set its weights",
        )


def _is_float32(model: keras.Model) -> bool:
    """Whether every layer computes in float32, so that the model can serve as reference."""
    return all(layer.compute_dtype == "float32" for layer in model.layers if layer.weights)
