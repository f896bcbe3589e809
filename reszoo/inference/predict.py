"""Prediction: the most likely classes of images from files, folders or memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.dataset import evenly_spaced
from reszoo.data.images.decoding import read_image, to_8_bits
from reszoo.data.images.image_files import SUFFIXES, FileWalk, reading_folder
from reszoo.data.images.resizing import resize_to_format
from reszoo.errors import UserError
from reszoo.inference.evaluate import batch_size_for, inference_function
from reszoo.inference.folding import FoldedModel, can_fold, fold, has_gpu
from reszoo.inference.metrics import TOP_K, Agreement, agreement, clipped_log, softmax, top_k
from reszoo.inference.tflite_classifier import TFLiteClassifier, is_tflite
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.inference.tta import resolve_views, tta_formats, tta_logits
from reszoo.spec.test_time import Views

_FOLD_FROM = 256
"""Images from which folding is faster. Measured on ResNet-50: it takes about a second more until
the first result, the comparison another, and saves 20 ms of a core on each image."""
_COMPARED_IMAGES = 16

Image = str | os.PathLike[str] | bytes | np.ndarray
NamedImage = tuple[str, Image]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely classes of one image, in descending order of probability."""

    path: str
    """Path of the file, or the index of an image from memory."""
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return asdict(self)


class KerasClassifier:
    """A trained Keras model that classifies as a `TFLiteClassifier` does, folded or not."""

    def __init__(self, trained: TrainedModel, *, fast: bool) -> None:
        self.image_format = trained.image_format
        self.classes = trained.class_names
        self._trained = trained
        self._network = fold(trained) if fast else inference_function(trained.evaluation_model())

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns `(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        return softmax(self._network(images).numpy())

    def agreement(self, images: np.ndarray) -> Agreement | None:
        """Compares a folded network with the canonical one; None for one that is not folded."""
        if not isinstance(self._network, FoldedModel):
            return None
        canonical = inference_function(self._trained.evaluation_model())
        logits, expected = (network(images).numpy() for network in (self._network, canonical))
        return agreement(logits, expected, self._network.computes)


Classifier = KerasClassifier | TFLiteClassifier


def predict(
    target: Target,
    images: Image | Iterable[Image],
    *,
    top: int = TOP_K,
    fast: bool | None = None,
    views: Views | str | int | None = None,
    compared: Callable[[Agreement], None] | None = None,
) -> list[Prediction]:
    """Classifies images, preprocessed exactly as in training and evaluation.

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits")  # doctest: +SKIP
        >>> reszoo.predict(run, "three.png")[0].classes[0]  # doctest: +SKIP
        '3'

    Args:
      target: a run or its folder, a `.keras` file, an exported `.tflite` file, or a Keras model.
      images: a file, a folder (searched recursively, in order of name), the bytes of a file, an
        array of pixels 0..255 `(height, width, channels)`, or an iterable of these.
      top: number of classes per prediction. Defaults to 5.
      fast: whether to fold the network (see `fold`), which takes half of the time or less per
        image. Defaults to folding for 256 images or more on a machine without a GPU, from where
        it repays the second that it costs.
      views: test-time augmentation: `1`, `flip`, `5`, `10`, `airbench` or a `Views`. Defaults to a
        single view.
      compared: callback that receives the agreement of a folded network with the canonical float32
        network on a few of the images.

    Returns:
      A prediction per image, in order.

    Raises:
      UserError: the target or an image does not exist, an image cannot be read, or the network
        cannot be folded.
    """
    if top < 1:
        raise UserError("top should be 1 or more", found=str(top))
    named = list(_name_images(images))
    if not named:
        raise UserError("no images were given")
    views = resolve_views(views)
    classifier = _classifier(target, fast, len(named))
    if compared is not None and isinstance(classifier, KerasClassifier):
        sample = [named[index] for index in evenly_spaced(len(named), _COMPARED_IMAGES)]
        comparison = classifier.agreement(_load_batch(classifier.image_format, sample))
        if comparison is not None:
            compared(comparison)
    size = batch_size_for(classifier.image_format)
    return [
        prediction
        for start in range(0, len(named), size)
        for prediction in _predict_batch(classifier, named[start : start + size], top, views)
    ]


def _classifier(target: Target, fast: bool | None, images: int) -> Classifier:
    if is_tflite(target):
        if fast:
            raise UserError("a .tflite file cannot be folded", found="fast, which folds a model")
        return TFLiteClassifier(Path(target))
    trained = load_trained(target)
    if fast is None:
        fast = images >= _FOLD_FROM and can_fold(trained) and not has_gpu()
    return KerasClassifier(trained, fast=fast)


def _predict_batch(
    classifier: Classifier, named: Sequence[NamedImage], top: int, views: Views
) -> Iterator[Prediction]:
    probabilities = _probabilities(classifier, named, views)
    indices = top_k(probabilities, top)
    for (name, _), row, best in zip(named, probabilities, indices, strict=True):
        yield Prediction(
            path=name,
            classes=tuple(classifier.classes[index] for index in best),
            probabilities=tuple(float(row[index]) for index in best),
        )


def _probabilities(classifier: Classifier, named: Sequence[NamedImage], views: Views) -> np.ndarray:
    if views.count == 1:
        return classifier.probabilities(_load_batch(classifier.image_format, named))
    crops = (_load_batch(fmt, named) for fmt in tta_formats(views, classifier.image_format))
    return softmax(
        tta_logits(views, lambda crop: clipped_log(classifier.probabilities(crop)), crops)
    )


def _load_batch(image_format: ImageFormat, named: Sequence[NamedImage]) -> np.ndarray:
    """Returns images in the network's format, `(images, height, width, channels)`."""
    return np.stack(
        [resize_to_format(_pixels(image, image_format), image_format) for _, image in named]
    )


def _pixels(image: Image, image_format: ImageFormat) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        return read_image(image, image_format.sixteen_bit)
    if image.dtype == np.uint16 and image.max(initial=0) > 255:
        image = to_8_bits(image, image_format.sixteen_bit)
    return image[..., None] if image.ndim == 2 else image


def _name_images(images: Image | Iterable[Image]) -> Iterator[NamedImage]:
    """Yields each image with the name it is reported by; folders are expanded."""
    for index, image in enumerate(_as_iterable(images)):
        if isinstance(image, (bytes, np.ndarray)):
            yield str(index), image
        elif (path := Path(image)).is_dir():
            yield from ((str(file), file) for file in _list_images(path))
        else:
            yield str(path), path


def _as_iterable(images: Image | Iterable[Image]) -> Iterable[Image]:
    if isinstance(images, (str, os.PathLike, bytes)):
        return [images]
    if isinstance(images, np.ndarray):
        return [images] if images.ndim < 4 else list(images)
    return images


def _list_images(folder: Path) -> list[Path]:
    """Lists the images of a folder; hidden files, such as the ._NAME of macOS, are left out."""
    with reading_folder(folder):
        entries = [entry for entry in FileWalk().files(folder) if entry.is_file()]
    files = [path for path in map(Path, entries) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise UserError(
            f"there are no images in {folder}",
            expected=f"files that end with {', '.join(sorted(SUFFIXES))}",
        )
    return files
