"""Classification with a trained Keras model, folded where that is faster."""

from __future__ import annotations

import numpy as np

from reszoo.data.images.resizing import resize_images
from reszoo.inference.evaluate import inference_function
from reszoo.inference.finite_outputs import finite_outputs
from reszoo.inference.folding import FoldedModel, can_fold, fold, has_gpu
from reszoo.inference.metrics import Agreement, agreement, softmax
from reszoo.inference.trained import Target, TrainedModel, load_trained

_FOLD_FROM = 256
"""Images from which folding is faster. Measured on ResNet-50: it takes about a second more until
the first result, the comparison another, and saves 20 ms of a core on each image."""


class KerasClassifier:
    """A trained Keras model that classifies as a `TFLiteClassifier` does, folded or not."""

    resize_images = staticmethod(resize_images)

    def __init__(self, trained: TrainedModel, *, fast: bool) -> None:
        self.image_format = trained.image_format
        self.classes = trained.class_names
        self._trained = trained
        self._network = fold(trained) if fast else inference_function(trained.evaluation_model())
        self._logits = finite_outputs(self._network, trained.first_not_finite)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns `(images, classes)` for pixels 0..255 `(images, height, width, channels)`.

        Raises:
          UserError: a logit is not finite.
        """
        return softmax(self._logits(images))

    def agreement(self, images: np.ndarray) -> Agreement | None:
        """Compares a folded network with the canonical one; None for one that is not folded."""
        if not isinstance(self._network, FoldedModel):
            return None
        canonical = inference_function(self._trained.evaluation_model())
        logits, expected = (network(images).numpy() for network in (self._network, canonical))
        return agreement(logits, expected, self._network.computes)


def load_classifier(target: Target, *, fast: bool | None, images: int) -> KerasClassifier:
    """Loads a network, folded if `fast`, which defaults to what is faster for so many images."""
    trained = load_trained(target)
    if fast is None:
        fast = images >= _FOLD_FROM and can_fold(trained) and not has_gpu()
    return KerasClassifier(trained, fast=fast)
