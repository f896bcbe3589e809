"""Images for an export: a calibration sample from training, a comparison sample from test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.pipeline.batches import batches
from reszoo.data.source import decode_each
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.exporting.calibration import refuse_noise
from reszoo.spec.target import Calibration

_BATCH = 64
_TEST_SPLITS = ("test", "validation")
_HOLDOUT = {"fraction": 0.1, "seed": 0}
_GENERATED = 16
_ORIGINALS = 16
_MOST_COMPARED = 10_000


@dataclass(frozen=True)
class SampleImages:
    """Preprocessed images with their labels and a description of their source."""

    images: np.ndarray
    """uint8, shape `(images, height, width, channels)`."""
    labels: np.ndarray | None
    source: str
    """For a reader, such as `digits, test: 360 images`."""
    original: np.ndarray | None = None
    """The largest of some originals, uint8 `(height, width, 1 or 3)`, if larger than the input."""

    def first(self, count: int | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the first `count` images and labels; None takes all."""
        return self.images[:count], None if self.labels is None else self.labels[:count]


def comparison_images(
    data: ImageData,
    image_format: ImageFormat,
    count: int | Literal["all"],
    *,
    validation: dict[str, Any] | None = None,
) -> SampleImages:
    """Samples up to `count` images that no training saw: of `test`, `validation` or held out.

    They are evenly spread over the split; `all` takes up to 10,000. `validation` is what the run
    held out of its training split: `fraction` and `seed`.
    """
    split, name = _comparison_split(data, validation)
    sample = split.sample(_MOST_COMPARED if count == "all" else count)
    images, labels = _read_images(sample, image_format)
    source = f"{data.name}, {name}: {len(images)} of {len(split)} images"
    return SampleImages(images, labels, source, _large_original(split, image_format))


def calibration_images(
    data: ImageData,
    image_format: ImageFormat,
    calibration: Calibration,
    *,
    validation: dict[str, Any] | None = None,
    check: bool = True,
) -> SampleImages:
    """Samples the training split without held-out images, and adds a black and a white image.

    These two make the range of the input exactly 0..255, so that pixels go in as they are.
    `validation` is what the run held out of its training split: `fraction` and `seed`.

    Raises:
      UserError: with `check`, the images are noise or of one colour each.
    """
    split = _training_split(data, validation)
    images, labels = draw_images(split, image_format, calibration.images, calibration.seed)
    if check:
        refuse_noise(images)
    extremes = np.zeros((2, *image_format.shape), np.uint8)
    extremes[1] = 255
    source = f"{data.name}, train: {len(images)} images, seed {calibration.seed}; black and white"
    return SampleImages(np.concatenate([images, extremes]), labels, source)


def generated_images(image_format: ImageFormat) -> SampleImages:
    """Generates smooth images for a network without data; they suffice for float files only."""
    generator = np.random.default_rng(0)
    rows = np.linspace(0, 3, image_format.height)[:, None, None]
    columns = np.linspace(0, 3, image_format.width)[None, :, None]
    waves = generator.uniform(-2, 2, (_GENERATED, 3, image_format.channels))
    images = [np.sin(rows * a + columns * b + 3 * c) for a, b, c in waves]
    pixels = np.clip((np.stack(images) + 1) * 127.5, 0, 255).astype(np.uint8)
    pixels[0], pixels[1] = 0, 255
    return SampleImages(pixels, None, f"{_GENERATED} generated images (no data were given)")


def draw_images(
    split: Split, image_format: ImageFormat, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws up to `count` images of a split, in its order.

    Returns:
      Images, uint8 `(images, height, width, channels)`, and labels `(images,)`.

    Raises:
      UserError: the split is empty.
    """
    chosen = np.random.default_rng([seed, len(split)]).permutation(len(split))[:count]
    return _read_images(split.subset(np.sort(chosen)), image_format)


def _read_images(split: Split, image_format: ImageFormat) -> tuple[np.ndarray, np.ndarray]:
    """Reads all images of a split, uint8, and their labels."""
    _require_images(split)
    # Filled batch by batch: 10,000 images of 224 x 224 are 1.5 GB, and one copy is enough.
    images = np.empty((len(split), *image_format.shape), np.uint8)
    labels = np.empty(len(split), np.int64)
    start = 0
    for pixels, targets in batches(split, image_format, batch_size=_BATCH):
        end = start + len(targets)
        images[start:end] = pixels
        labels[start:end] = targets
        start = end
    return images[:start], labels[:start]


def _require_images(split: Split) -> None:
    if len(split) == 0:
        raise UserError(
            "the data have no images to draw from",
            where=str(split),
            hint="give data with images: --data folder:PATH",
        )


def _large_original(split: Split, image_format: ImageFormat) -> np.ndarray | None:
    """Returns the largest of a few originals, if it is larger than the input in both sides."""
    indices = split.sample(_ORIGINALS).indices
    originals = [image.numpy() for image in decode_each(split.source, indices)]
    largest: np.ndarray = max(originals, key=lambda image: image.shape[0] * image.shape[1])
    height, width, channels = largest.shape
    is_large = height > image_format.height and width > image_format.width
    return largest if is_large and channels in (1, 3) else None


def _comparison_split(data: ImageData, validation: dict[str, Any] | None) -> tuple[Split, str]:
    for name in _TEST_SPLITS:
        # Some public test splits hide their labels behind -1.
        if name in data.splits and (split := data.split(name)).labels.min(initial=0) >= 0:
            return split, name
    return _holdout(data.split("train"), validation)[1], "held out of train"


def _training_split(data: ImageData, validation: dict[str, Any] | None) -> Split:
    if "train" not in data.splits:
        raise UserError(
            f"{data.name} has no training split to calibrate an int8 network on",
            expected="a split named train",
            found=", ".join(data.splits),
            hint="give data with a training split with --data, or export with --target server",
        )
    training = data.split("train")
    if validation is None and any(name in data.splits for name in _TEST_SPLITS):
        return training
    return _holdout(training, validation)[0]


def _holdout(training: Split, validation: dict[str, Any] | None) -> tuple[Split, Split]:
    """Splits the training split into the images a run trained on and those it held out."""
    options = {key: (validation or {}).get(key, default) for key, default in _HOLDOUT.items()}
    trained_on, held_out = stratified_holdout(training.labels, **options)
    return training.subset(trained_on), training.subset(held_out)
