"""Prediction: the most likely classes of images from files, folders or memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.dataset import evenly_spaced, nfc
from reszoo.data.images.decoding import read_image, to_8_bits
from reszoo.data.images.image_files import SUFFIXES, FileWalk, reading_folder
from reszoo.errors import UserError
from reszoo.inference.metrics import TOP_K, Agreement, clipped_log, softmax, top_k
from reszoo.inference.tflite_classifier import TFLiteClassifier
from reszoo.inference.tta import resolve_views, tta_formats, tta_logits
from reszoo.quiet_import import quiet_import
from reszoo.spec.test_time import Views
from reszoo.tflite.contract_file import find_tflite

if TYPE_CHECKING:
    from reszoo.inference.trained import Target

_PIXELS_PER_BATCH = 1 << 21
"""About 2,000 images of 32x32 or 40 of 224x224: large enough for speed, small enough for memory."""
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
    true_class: str | None = None
    """The class that the image's folder is named after; None where no folder tells it."""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return asdict(self)


class Classifier(Protocol):
    """A network that classifies images of one format: a Keras model or a `.tflite` file."""

    image_format: ImageFormat
    classes: tuple[str, ...]

    def resize_images(
        self, images: Iterable[np.ndarray], image_format: ImageFormat, /
    ) -> np.ndarray:
        """Resizes images `(height, width, channels)` to an image format, and stacks them."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns `(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""

    def agreement(self, images: np.ndarray) -> Agreement | None:
        """Compares a folded network with the canonical one; None for one that is not folded."""


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
      target: a run or its folder, a `.keras` file, a bundle's folder or its `.tflite` file, or
        a Keras model.
      images: a file, a folder (searched recursively, in order of name), the bytes of a file, an
        array of pixels 0..255 `(height, width, channels)`, or an iterable of these.
      top: number of classes per prediction. Defaults to 5.
      fast: whether to fold the network (see `fold`), which takes half of the time or less per
        image. Defaults to folding for 256 images or more on a machine without a GPU, where it
        saves more than the second that it costs.
      views: test-time augmentation: `1`, `flip`, `5`, `10`, `airbench` or a `Views`. Defaults to a
        single view.
      compared: callback that receives the agreement of a folded network with the canonical float32
        network on a few of the images.

    Returns:
      A prediction per image, in order.

    Raises:
      UserError: the target or an image does not exist, is damaged or cannot be read, the outputs
        are not finite, or the network cannot be folded.
    """
    if top < 1:
        raise UserError("top should be 1 or more", found=str(top), hint="--top 1")
    named = list(_name_images(images))
    if not named:
        raise UserError("no images were given", hint="name images or a folder of images")
    views = resolve_views(views)
    classifier = _classifier(target, fast, len(named))
    if compared is not None:
        sample = [named[index] for index in evenly_spaced(len(named), _COMPARED_IMAGES)]
        comparison = classifier.agreement(_load_batch(classifier, classifier.image_format, sample))
        if comparison is not None:
            compared(comparison)
    size = batch_size_for(classifier.image_format)
    return [
        prediction
        for start in range(0, len(named), size)
        for prediction in _predict_batch(classifier, named[start : start + size], top, views)
    ]


def _classifier(target: Target, fast: bool | None, images: int) -> Classifier:
    if (file := find_tflite(target)) is not None:
        if fast:
            raise UserError(
                "a .tflite file cannot be folded",
                found="--fast (fast=True)",
                hint="leave out --fast: the export has already folded the normalisations",
            )
        return TFLiteClassifier(file)
    with quiet_import():
        from reszoo.inference.keras_classifier import load_classifier

    return load_classifier(target, fast=fast, images=images)


def _predict_batch(
    classifier: Classifier, named: Sequence[NamedImage], top: int, views: Views
) -> Iterator[Prediction]:
    probabilities = _probabilities(classifier, named, views)
    indices = top_k(probabilities, top)
    names = {nfc(name): name for name in classifier.classes}
    for (name, image), row, best in zip(named, probabilities, indices, strict=True):
        yield Prediction(
            path=name,
            classes=tuple(classifier.classes[index] for index in best),
            probabilities=tuple(float(row[index]) for index in best),
            true_class=_folder_class(image, names),
        )


def _folder_class(image: Image, classes: Mapping[str, str]) -> str | None:
    """Returns the class that the nearest folder above a file is named after, if any is.

    `classes` are the names by their NFC.
    """
    folders = image.parents if isinstance(image, Path) else ()
    return next((classes[name] for each in folders if (name := nfc(each.name)) in classes), None)


def _probabilities(classifier: Classifier, named: Sequence[NamedImage], views: Views) -> np.ndarray:
    if views.count == 1:
        return classifier.probabilities(_load_batch(classifier, classifier.image_format, named))
    crops = (
        _load_batch(classifier, fmt, named) for fmt in tta_formats(views, classifier.image_format)
    )
    return softmax(
        tta_logits(views, lambda crop: clipped_log(classifier.probabilities(crop)), crops)
    )


def _load_batch(
    classifier: Classifier, image_format: ImageFormat, named: Sequence[NamedImage]
) -> np.ndarray:
    """Returns images in the network's format, `(images, height, width, channels)`."""
    images = (_pixels(image, image_format) for _, image in named)
    return classifier.resize_images(images, image_format)


def _pixels(image: Image, image_format: ImageFormat) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        return read_image(image, image_format.sixteen_bit)
    if image.dtype == np.uint16 and image.max(initial=0) > 255:
        image = to_8_bits(image, image_format.sixteen_bit)
    return image[..., None] if image.ndim == 2 else image


def batch_size_for(image_format: ImageFormat) -> int:
    """Returns the batch size for inference on images of a format."""
    return int(np.clip(_PIXELS_PER_BATCH // (image_format.height * image_format.width), 1, 512))


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
            hint="name a folder that directly contains images, or name the images",
        )
    return files
