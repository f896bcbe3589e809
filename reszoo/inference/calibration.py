"""Calibration images for int8, drawn from the training split; noise is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.dataset import evenly_spaced
from reszoo.data.pipeline.batches import batches
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.spec.target import Calibration

TEST_SPLITS = ("test", "validation")
_BATCH = 64
_HOLDOUT = {"fraction": 0.1, "seed": 0}
_MIN_CORRELATION = 0.1
_MIN_PAIRS = 1000


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

    def evenly_spaced(self, count: int | None) -> np.ndarray:
        """Returns the indices of up to `count` images, of every class if they are sorted by class.

        None takes all.
        """
        return evenly_spaced(len(self.images), len(self.images) if count is None else count)

    def labels_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the labels of the images with these indices, if they are known."""
        return None if self.labels is None else self.labels[rows]


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


def draw_images(
    split: Split, image_format: ImageFormat, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws up to `count` random images of a split, in the order of the split.

    Returns:
      Images, uint8 `(images, height, width, channels)`, and labels `(images,)`.

    Raises:
      UserError: the split is empty.
    """
    chosen = np.random.default_rng([seed, len(split)]).permutation(len(split))[:count]
    return read_images(split.subset(np.sort(chosen)), image_format)


def read_images(split: Split, image_format: ImageFormat) -> tuple[np.ndarray, np.ndarray]:
    """Reads all images of a split, uint8, and their labels.

    Raises:
      UserError: the split is empty.
    """
    if len(split) == 0:
        raise UserError(
            "the data have no images to draw from",
            where=str(split),
            hint="give data with images: --data folder:PATH",
        )
    # Filled batch by batch: 10,000 images of 224 x 224 are 1.5 GB, and one copy is enough.
    images = np.empty((len(split), *image_format.shape), np.uint8)
    labels = np.empty(len(split), np.int64)
    start = 0
    for pixels, targets in batches(split, image_format, batch_size=_BATCH):
        end = start + len(targets)
        images[start:end] = np.rint(pixels)
        labels[start:end] = targets
        start = end
    return images[:start], labels[:start]


def refuse_noise(images: np.ndarray) -> None:
    """Raises if no camera, scanner or pen made these images `(images, height, width, channels)`.

    Neighbouring pixels of pictures are correlated, those of noise are not. The correlation of each
    pixel with its right and its lower neighbour, over all images, is above 0.1 for pictures
    (photographs 0.9 and more, the 8x8 digits 0.4), and within 0.1 of zero for independent pixels
    once there are a thousand pairs. Images of one colour each have no contrast at all. A network
    calibrated on noise has ranges that real images exceed; ResNet-50 was seen to agree with Keras
    on none of them.

    Raises:
      UserError: the images are noise, or each is of a single colour.
    """
    if max(images.shape[1:3]) == 1:
        return
    if not np.ptp(images, axis=(1, 2)).any():
        raise _refusal("every image is of one colour")
    pixels, neighbours = _neighbour_pairs(images.astype(np.float32))
    if len(pixels) < _MIN_PAIRS:
        return
    correlation = float(np.corrcoef(pixels, neighbours)[0, 1])
    if correlation < _MIN_CORRELATION:
        raise _refusal(
            f"neighbouring pixels are unrelated (correlation {correlation:.2f}), as in noise"
        )


def _neighbour_pairs(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs each pixel with its right and its lower neighbour, centred per channel."""
    centred = images - images.mean(axis=(0, 1, 2), keepdims=True)
    pixels = np.concatenate([centred[:, :, :-1].ravel(), centred[:, :-1].ravel()])
    neighbours = np.concatenate([centred[:, :, 1:].ravel(), centred[:, 1:].ravel()])
    return pixels, neighbours


def _refusal(found: str) -> UserError:
    return UserError(
        "these images cannot calibrate an int8 network",
        expected="training images like those the device will see",
        found=found,
        hint="pass the data the network was trained on with --data",
    )


def _training_split(data: ImageData, validation: dict[str, Any] | None) -> Split:
    if "train" not in data.splits:
        raise UserError(
            f"{data.name} has no training split to calibrate an int8 network on",
            expected="a split named train",
            found=", ".join(data.splits),
            hint="give data with a training split with --data, or export with --target server",
        )
    training = data.split("train")
    if validation is None and any(name in data.splits for name in TEST_SPLITS):
        return training
    return holdout(training, validation)[0]


def holdout(training: Split, validation: dict[str, Any] | None) -> tuple[Split, Split]:
    """Splits the training split into the images a run trained on and those it held out."""
    options = {key: (validation or {}).get(key, default) for key, default in _HOLDOUT.items()}
    trained_on, held_out = stratified_holdout(training.labels, **options)
    return training.subset(trained_on), training.subset(held_out)
