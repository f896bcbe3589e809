"""Images on which an export is compared with Keras: the test split, or generated ones."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.source import decode_each
from reszoo.inference.calibration import TEST_SPLITS, SampleImages, holdout, read_images

_GENERATED = 16
_ORIGINALS = 16
_MOST_COMPARED = 10_000


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
    images, labels = read_images(sample, image_format)
    source = f"{data.name}, {name}: {len(images)} of {len(split)} images"
    return SampleImages(images, labels, source, _large_original(split, image_format))


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


def _large_original(split: Split, image_format: ImageFormat) -> np.ndarray | None:
    """Returns the largest of a few originals, if it is larger than the input in both sides."""
    indices = split.sample(_ORIGINALS).indices
    originals = [image.numpy() for image in decode_each(split.source, indices)]
    largest: np.ndarray = max(originals, key=lambda image: image.shape[0] * image.shape[1])
    height, width, channels = largest.shape
    is_large = height > image_format.height and width > image_format.width
    return largest if is_large and channels in (1, 3) else None


def _comparison_split(data: ImageData, validation: dict[str, Any] | None) -> tuple[Split, str]:
    for name in TEST_SPLITS:
        # Some public test splits hide their labels behind -1.
        if name in data.splits and (split := data.split(name)).labels.min(initial=0) >= 0:
            return split, name
    return holdout(data.split("train"), validation)[1], "held out of train"
