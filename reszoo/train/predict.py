"""What is on these pictures?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reszoo.data import Geometry, read_image, to_geometry
from reszoo.data.images import SUFFIXES
from reszoo.errors import UserError
from reszoo.train.evaluate import batch_size_for, inference
from reszoo.train.loading import Target, load_trained
from reszoo.train.scores import TOP, likeliest, softmax
from reszoo.train.tflite import TFLiteClassifier, is_tflite

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

    geometry: Geometry
    classes: tuple[str, ...]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """`(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        ...


class KerasClassifier:
    """A Keras model that answers with probabilities."""

    def __init__(self, target: Target) -> None:
        trained = load_trained(target)
        self.geometry = trained.geometry
        self.classes = trained.class_names
        self._call = inference(trained.network())

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """`(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        return softmax(self._call(images).numpy())


def predict(target: Target, images: Image | Iterable[Image], *, top: int = TOP) -> list[Prediction]:
    """Classifies images, prepared exactly as training and evaluation prepare them.

    Args:
      target: a run, a `.keras` file, a `.tflite` file of a bundle, or a Keras model.
      images: a file, a folder (its images, also in folders below, in order of their names), the
        bytes of a file, an array of pixels 0..255 `(height, width, channels)`, or several of these.
      top: how many classes to name.

    Returns:
      A prediction per image, in order.

    Raises:
      UserError: no such target or image, or an image that cannot be read.
    """
    if top < 1:
        raise UserError("top should be 1 or more", found=str(top))
    named = list(_named(images))
    if not named:
        raise UserError("no images were given")
    classifier = _classifier(target)
    size = batch_size_for(classifier.geometry)
    return [
        prediction
        for start in range(0, len(named), size)
        for prediction in _predict_batch(classifier, named[start : start + size], top)
    ]


def _classifier(target: Target) -> Classifier:
    return TFLiteClassifier(Path(target)) if is_tflite(target) else KerasClassifier(target)


def _predict_batch(
    classifier: Classifier, named: Sequence[tuple[str, Image]], top: int
) -> Iterator[Prediction]:
    pixels = np.stack([to_geometry(_pixels(image), classifier.geometry) for _, image in named])
    probabilities = classifier.probabilities(pixels)
    order = likeliest(probabilities, top)
    for (name, _), row, best in zip(named, probabilities, order, strict=True):
        yield Prediction(
            path=name,
            classes=tuple(classifier.classes[index] for index in best),
            probabilities=tuple(float(row[index]) for index in best),
        )


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
