"""Which images is an exported network calibrated on, and on which is it compared?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.pipeline.batches import batches
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.exporting.calibration import refuse_noise
from reszoo.spec.target import Calibration

_BATCH = 64
_MEASURING_SPLITS = ("test", "validation")
_HOLDOUT = {"fraction": 0.1, "seed": 0}
_GENERATED = 16


@dataclass(frozen=True)
class SampleImages:
    """Images with their labels, as the network sees them, and where they come from."""

    images: np.ndarray
    """uint8 (n, height, width, channels)."""
    labels: np.ndarray | None
    source: str
    """For a reader: `digits, test: 360 images`."""


def comparison_pictures(
    data: ImageData,
    image_format: ImageFormat,
    count: int,
    *,
    validation: dict[str, Any] | None = None,
) -> SampleImages:
    """Images that no training saw: of the test split, else of `validation`, else held out.

    Args:
      data: the data the network was trained on.
      image_format: size and channels of the network's input.
      count: how many, where there are as many.
      validation: what the run held out of its training split: `fraction` and `seed`.
    """
    split, name = _measuring_split(data, validation)
    images, labels = drawn(split, image_format, count, seed=0)
    words = f"{data.name}, {name}: {len(images)} of {len(split)} images"
    return SampleImages(images, labels, words)


def calibration_pictures(
    data: ImageData,
    image_format: ImageFormat,
    calibration: Calibration,
    *,
    validation: dict[str, Any] | None = None,
    check: bool = True,
) -> SampleImages:
    """Images of the training split, without what was held out, and a black and a white one.

    The last two make the input's range exactly 0..255, so that pixels go in as they are.

    Args:
      data: the data the network was trained on.
      image_format: size and channels of the network's input.
      calibration: how many, and the seed that draws them.
      validation: what the run held out of its training split: `fraction` and `seed`.
      check: whether images that are no pictures are refused.

    Raises:
      UserError: the images are noise or of one colour each.
    """
    split = _training_split(data, validation)
    images, labels = drawn(split, image_format, calibration.images, calibration.seed)
    if check:
        refuse_noise(images)
    extremes = np.zeros((2, *image_format.shape), np.uint8)
    extremes[1] = 255
    words = f"{data.name}, train: {len(images)} images, seed {calibration.seed}; black and white"
    return SampleImages(np.concatenate([images, extremes]), labels, words)


def generated_pictures(image_format: ImageFormat) -> SampleImages:
    """Smooth seeded pictures for a network that came without data; good for float files only."""
    generator = np.random.default_rng(0)
    rows = np.linspace(0, 3, image_format.height)[:, None, None]
    columns = np.linspace(0, 3, image_format.width)[None, :, None]
    waves = generator.uniform(-2, 2, (_GENERATED, 3, image_format.channels))
    images = [np.sin(rows * a + columns * b + 3 * c) for a, b, c in waves]
    pixels = np.clip((np.stack(images) + 1) * 127.5, 0, 255).astype(np.uint8)
    pixels[0], pixels[1] = 0, 255
    return SampleImages(pixels, None, f"{_GENERATED} generated pictures (no data was given)")


def drawn(
    split: Split, image_format: ImageFormat, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, height, width, channels) and labels (n,), drawn by a seed, in file order."""
    if len(split) == 0:
        raise UserError("the data has no images to draw from", where=str(split))
    chosen = np.random.default_rng([seed, len(split)]).permutation(len(split))[:count]
    pairs = list(batches(split.subset(np.sort(chosen)), image_format, batch_size=_BATCH))
    images = np.concatenate([np.asarray(images) for images, _ in pairs])
    labels = np.concatenate([np.asarray(labels) for _, labels in pairs])
    return np.rint(images).astype(np.uint8), labels


def _measuring_split(data: ImageData, validation: dict[str, Any] | None) -> tuple[Split, str]:
    for name in _MEASURING_SPLITS:
        # Some public test splits hide their labels behind -1.
        if name in data.splits and (split := data.split(name)).labels.min(initial=0) >= 0:
            return split, name
    training = data.split("train")
    held_out = stratified_holdout(training.labels, **_holdout(validation))[1]
    return training.subset(held_out), "held out of train"


def _training_split(data: ImageData, validation: dict[str, Any] | None) -> Split:
    if "train" not in data.splits:
        raise UserError(
            f"{data.name} has no training split to calibrate an int8 network on",
            expected="a split named train",
            found=", ".join(data.splits),
        )
    training = data.split("train")
    measured_elsewhere = any(name in data.splits for name in _MEASURING_SPLITS)
    if validation is None and measured_elsewhere:
        return training
    return training.subset(stratified_holdout(training.labels, **_holdout(validation))[0])


def _holdout(validation: dict[str, Any] | None) -> dict[str, Any]:
    known = validation or {}
    return {key: known.get(key, default) for key, default in _HOLDOUT.items()}
