"""How good is a .tflite on a whole split?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.data import ImageData, batches, open_data
from reszoo.errors import UserError
from reszoo.train.scores import Evaluation, score
from reszoo.train.tflite import TFLiteClassifier

_BATCH = 256
_LEAST_PROBABILITY = 1e-12


def evaluate_tflite(path: Path | str, data: Any, split: str = "test") -> Evaluation:
    """Evaluates a `.tflite` on every image of a split, as `reszoo.evaluate` does a Keras model.

    Args:
      path: the file; the contract.json beside it says how pictures are brought to its size.
      data: as for `train`.
      split: which part, in TFDS's words (`test`, `train[:10%]`).

    Raises:
      UserError: the file does not open, the split is empty, or the classes differ.
    """
    images = data if isinstance(data, ImageData) else open_data(data)
    classifier = TFLiteClassifier(Path(path))
    _require_same_classes(Path(path), classifier, images)
    part = images.split(split)
    if not len(part):
        raise UserError(f"the split {split!r} of {images.name} is empty")
    source = batches(part, classifier.geometry, batch_size=_BATCH)
    probabilities = np.concatenate(
        [classifier.probabilities(np.asarray(batch)) for batch, _ in source]
    )
    logits = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    labels = np.asarray(part.labels)
    return score(labels, logits, classifier.classes, data=images.name, split=split)


def _require_same_classes(path: Path, classifier: TFLiteClassifier, data: ImageData) -> None:
    """Names must be the same, in order; bare numbers on either side agree with any names."""
    outputs, names = len(classifier.classes), tuple(data.classes)
    numbers = tuple(str(index) for index in range(max(outputs, len(names))))
    if names == numbers[: len(names)] and len(names) <= outputs:
        return
    if classifier.classes == names or (
        classifier.classes == numbers[:outputs] and len(names) == outputs
    ):
        return
    raise UserError(
        f"{path} and the data {data.name} have different classes",
        expected=_short(classifier.classes),
        found=_short(names),
        hint="the order counts: each output stands for one class",
    )


def _short(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{len(names)} classes: {shown}" + (", ..." if len(names) > 10 else "")
