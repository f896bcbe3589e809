"""Loading of trained networks: from a run, a `.keras` file or a Keras model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import keras
import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.dataset import numbered_classes
from reszoo.data.images.resizing import evaluation_format
from reszoo.errors import UserError
from reszoo.inference.find_network import find_network, require_model
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.model.quantized_model import is_fake_quantized
from reszoo.model.saving import load_model
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.network import plan
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained network with what is known about it."""

    model: keras.Model
    """Maps images `(batch, height, width, channels)`, 0..255, to logits `(batch, classes)`."""
    spec: Architecture | None
    classes: tuple[str, ...] | None
    """Class names in the order of the logits; None where they are unknown."""
    run: Run | None

    @property
    def image_format(self) -> ImageFormat:
        """Size, channels and resizing of the images for evaluation.

        Raises:
          UserError: a model without a spec has no fixed image shape as its input.
        """
        if self.spec is not None:
            return evaluation_format(self.spec.input)
        shape = self.model.input_shape
        if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
            raise UserError(
                "cannot tell what images this model takes",
                expected="one input of shape (batch, height, width, channels)",
                found=str(shape),
                hint="use a model that `reszoo build` or `reszoo train` saved",
            )
        return ImageFormat(*shape[1:])

    def first_not_finite(self, image: np.ndarray) -> str | None:
        """Returns the first layer whose weights, or outputs for an image, hold NaN or infinity."""
        model = self.evaluation_model()
        for layer in model.layers:
            for weight in layer.weights:
                if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                    return f"the weights {weight.path} of the layer {layer.name}"
        outputs = {layer.name: layer.output for layer in model.layers if hasattr(layer, "output")}
        for name, output in keras.Model(model.input, outputs)(image[None]).items():
            for tensor in keras.tree.flatten(output):
                if not np.isfinite(keras.ops.convert_to_numpy(tensor)).all():
                    return f"the outputs of the layer {name}, whose weights are finite"
        return None

    def evaluation_model(self) -> keras.Model:
        """Returns the model for images of `image_format`, rebuilt where a `test_size` differs."""
        if self.spec is None or tuple(self.model.input_shape[1:]) == self.image_format.shape:
            return self.model
        rows = plan(at_size(self.spec, self.image_format))
        resized = build(fake_quantize(rows) if self.is_fake_quantized else rows)
        copy_weights(self.model, resized)
        return resized

    @property
    def is_fake_quantized(self) -> bool:
        """Whether it was trained with `--quantize`; its plan is then not that of its spec."""
        return is_fake_quantized(self.model)

    def refuse_fake_quantized(self, purpose: str, hint: str) -> None:
        """Raises a UserError if the network is fake-quantized, and thus has no norms left.

        `purpose` completes "a network trained with --quantize cannot be ...".
        """
        if self.is_fake_quantized:
            raise UserError(
                f"a network trained with --quantize cannot be {purpose}",
                expected="a network with its normalisations and without rounding",
                found="norms folded into the kernels, and int8 ranges",
                hint=hint,
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names, or the indices of the logits where there are none."""
        return self.classes or numbered_classes(self.model.output_shape[-1])


def at_size(spec: Architecture, image_format: ImageFormat) -> Architecture:
    """Returns the architecture with an input of the image format's size."""
    return spec.model_copy(
        update={"input": spec.input.model_copy(update={"shape": image_format.shape})}
    )


Target: TypeAlias = "Run | TrainedModel | keras.Model | str | Path"
"""What `evaluate`, `predict` and `export` accept as a network."""


def load_trained(target: Target) -> TrainedModel:
    """Loads a trained network from a run or its folder, a `.keras` file or a Keras model.

    Raises:
      UserError: the target does not exist or is damaged, or its run has not finished.
    """
    if isinstance(target, TrainedModel):
        return target
    if isinstance(target, keras.Model):
        return TrainedModel(target, None, None, None)
    if isinstance(target, Run):
        return _load_run(target)
    found = find_network(target)
    if isinstance(found, Run):
        return _load_run(found)
    loaded = load_model(found)
    return TrainedModel(loaded.model, loaded.spec, loaded.classes, None)


def _load_run(run: Run) -> TrainedModel:
    require_model(run)
    loaded = load_model(run.model_path)
    return TrainedModel(loaded.model, run.architecture(), tuple(run.data()["classes"]), run)
