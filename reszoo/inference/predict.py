"""What is on these pictures?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.dataset import evenly_spaced
from reszoo.data.images.decoding import SUFFIXES, read_image
from reszoo.data.images.resizing import resize_to_format
from reszoo.errors import UserError
from reszoo.inference.evaluate import batch_size_for, inference
from reszoo.inference.folding import Folded, can_fold, fold, has_gpu
from reszoo.inference.metrics import TOP, Agreement, agreement, likeliest, logits_of, softmax
from reszoo.inference.tflite_classifier import TFLiteClassifier, is_tflite
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.inference.tta import geometries_of, mean_answer, views_of
from reszoo.spec.test_time import Views

_WORTH_FOLDING = 256
"""Images from which folding is faster. Measured on ResNet-50: it takes about a second more until
the first answer, the comparison another, and saves 20 ms of a core on each image."""
_COMPARED = 16

Image = str | os.PathLike[str] | bytes | np.ndarray


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network sees on one image: the likeliest classes, likeliest first."""

    path: str
    """The file, or the image's number where it came from memory."""
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {
            "path": self.path,
            "classes": list(self.classes),
            "probabilities": list(self.probabilities),
        }


class Classifier(Protocol):
    """A network that turns pixels into probabilities."""

    image_format: ImageFormat
    classes: tuple[str, ...]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """`(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        ...


class KerasClassifier:
    """A Keras model that answers with probabilities, as it is or folded."""

    def __init__(self, trained: TrainedModel, *, fast: bool) -> None:
        self.image_format = trained.image_format
        self.classes = trained.class_names
        self._trained = trained
        self._call = fold(trained) if fast else inference(trained.network())

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """`(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        return softmax(self._call(images).numpy())

    def agreement(self, images: np.ndarray) -> Agreement | None:
        """How a folded model agrees on these images with what it was before."""
        if not isinstance(self._call, Folded):
            return None
        exact = inference(self._trained.network())(images).numpy()
        return agreement(self._call(images).numpy(), exact, self._call.computes)


def predict(
    target: Target,
    images: Image | Iterable[Image],
    *,
    top: int = TOP,
    fast: bool | None = None,
    views: Views | str | int | None = None,
    compared: Callable[[Agreement], None] | None = None,
) -> list[Prediction]:
    """Classifies images, prepared exactly as training and evaluation prepare them.

    Args:
      target: a run, a `.keras` file, a `.tflite` file of a bundle, or a Keras model.
      images: a file, a folder (its images, also in folders below, in order of their names), the
        bytes of a file, an array of pixels 0..255 `(height, width, channels)`, or several of these.
      top: how many classes to name.
      fast: whether to compute as `fold` does, which takes half of the time or less. None: for 256
        images or more on a machine without a GPU. Fewer are done before it pays, by a second.
      views: the views of an image whose answers are averaged: `1`, `flip`, `5`, `10`, `airbench`
        or a `Views`; one unless given.
      compared: if given and the network is folded, is told how it agrees with the canonical one in
        float32 on a few of the images.

    Returns:
      A prediction per image, in order.

    Raises:
      UserError: no such target or image, an image that cannot be read, or a target that `fold`
        does not take.
    """
    if top < 1:
        raise UserError("top should be 1 or more", found=str(top))
    named = list(_named(images))
    if not named:
        raise UserError("no images were given")
    looks = views_of(views)
    classifier = _classifier(target, fast, len(named))
    if compared is not None and isinstance(classifier, KerasClassifier):
        chosen = evenly_spaced(len(named), _COMPARED)
        found = classifier.agreement(
            _stacked(classifier.image_format, [named[index] for index in chosen])
        )
        if found is not None:
            compared(found)
    size = batch_size_for(classifier.image_format)
    return [
        prediction
        for start in range(0, len(named), size)
        for prediction in _predict_batch(classifier, named[start : start + size], top, looks)
    ]


def _classifier(target: Target, fast: bool | None, images: int) -> Classifier:
    if is_tflite(target):
        if fast:
            raise UserError("a .tflite file computes as it does", found="fast, which folds a model")
        return TFLiteClassifier(Path(target))
    trained = load_trained(target)
    if fast is None:
        fast = images >= _WORTH_FOLDING and can_fold(trained) and not has_gpu()
    return KerasClassifier(trained, fast=fast)


def _predict_batch(
    classifier: Classifier, named: Sequence[tuple[str, Image]], top: int, views: Views
) -> Iterator[Prediction]:
    probabilities = _probabilities(classifier, named, views)
    order = likeliest(probabilities, top)
    for (name, _), row, best in zip(named, probabilities, order, strict=True):
        yield Prediction(
            path=name,
            classes=tuple(classifier.classes[index] for index in best),
            probabilities=tuple(float(row[index]) for index in best),
        )


def _probabilities(
    classifier: Classifier, named: Sequence[tuple[str, Image]], views: Views
) -> np.ndarray:
    if views.count == 1:
        return classifier.probabilities(_stacked(classifier.image_format, named))

    def answer(pixels: np.ndarray) -> np.ndarray:
        return logits_of(classifier.probabilities(pixels))

    prepared = geometries_of(views, classifier.image_format)
    return softmax(mean_answer(views, answer, (_stacked(one, named) for one in prepared)))


def _stacked(image_format: ImageFormat, named: Sequence[tuple[str, Image]]) -> np.ndarray:
    """The images as the network takes them, `(images, height, width, channels)`."""
    return np.stack([resize_to_format(_pixels(image), image_format) for _, image in named])


def _pixels(image: Image) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        return read_image(image)
    return image[..., None] if image.ndim == 2 else image


def _named(images: Image | Iterable[Image]) -> Iterator[tuple[str, Image]]:
    """Each image with the name it is reported by."""
    for number, image in enumerate(_listed(images)):
        if isinstance(image, (bytes, np.ndarray)):
            yield str(number), image
        elif (path := Path(image)).is_dir():
            yield from ((str(file), file) for file in _files(path))
        else:
            yield str(path), path


def _listed(images: Image | Iterable[Image]) -> Iterable[Image]:
    if isinstance(images, (str, os.PathLike, bytes)):
        return [images]
    if isinstance(images, np.ndarray):
        return [images] if images.ndim < 4 else list(images)
    return images


def _files(folder: Path) -> list[Path]:
    """Its images; hidden files, such as the ._NAME that macOS puts beside each, are none."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not files:
        raise UserError(
            f"there are no images in {folder}",
            expected=f"files that end with {', '.join(sorted(SUFFIXES))}",
        )
    return files
