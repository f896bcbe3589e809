"""Which network is exported? The canonical float32 graph for inference, with trained weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.errors import UserError
from reszoo.inference.folding import can_fold, canonical_plan
from reszoo.inference.trained import TrainedModel, at_size
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.planning.network import plan
from reszoo.planning.rewrites import for_inference
from reszoo.planning.rows import Plan
from reszoo.spec.architecture import Architecture

_BATCH = 32
_REBUILT = (
    "Compared with the float32 network rebuilt from the spec: the model given computes in a lower "
    "precision."
)


@dataclass(frozen=True)
class InferenceGraph:
    """A trained network and its twin for inference.

    `reference` is what was trained; `model` computes the same in float32, for images
    (batch, height, width, channels) of pixels 0..255, and gives logits (batch, classes).
    """

    name: str
    title: str | None
    reference: keras.Model
    model: keras.Model
    image_format: ImageFormat
    classes: tuple[str, ...]
    plan: Plan | None = None
    """What the model is made of; None where stock Keras made it."""
    note: str | None = None
    """What a reader of the comparison should know about the reference."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.image_format.shape

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all weights in float32."""
        return 4 * int(self.model.count_params())

    def log_probabilities(self, images: np.ndarray) -> np.ndarray:
        """float64 (n, classes): what the trained Keras model itself says of pixels 0..255.

        Runs on the CPU, where float32 is float32.
        """
        with tf.device("CPU:0"):
            parts = [
                np.asarray(self.reference(images[start : start + _BATCH], training=False))
                for start in range(0, len(images), _BATCH)
            ]
        return log_softmax(np.concatenate(parts))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """float64 logarithms of the softmax over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def network_of(trained: TrainedModel) -> InferenceGraph:
    """The network behind a trained model; without a spec the model itself is exported.

    Raises:
      UserError: the model has no spec and is not one raw image in, one vector of logits out.
    """
    model, spec, image_format = trained.model, trained.spec, trained.image_format
    if spec is None:
        _require_exportable(model)
        name, title, twin = model.name, None, model
    else:
        name, title, twin = spec.name, spec.title, inference_model(spec, image_format)
        copy_weights(model, twin)
    can_judge = _is_float32(model)
    return InferenceGraph(
        name=name,
        title=title,
        reference=trained.evaluation_model() if can_judge else twin,
        model=twin,
        image_format=image_format,
        classes=trained.class_names,
        plan=canonical_plan(trained) if can_fold(trained) else None,
        note=None if can_judge else _REBUILT,
    )


def inference_model(spec: Architecture, image_format: ImageFormat) -> keras.Model:
    """The spec's canonical float32 model at its evaluation size, without stochastic rows."""
    return build(for_inference(plan(at_size(spec, image_format))), dtype="float32")


def _require_exportable(model: keras.Model) -> None:
    """Refuses what cannot be exported as it stands."""
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
        )


def _is_float32(model: keras.Model) -> bool:
    """Whether every layer computes in float32, so that the model can judge its exports."""
    return all(layer.compute_dtype == "float32" for layer in model.layers if layer.weights)
