"""Statistics of the training images: the mean image, and the pixel outside an image.

Both are computed from the training images alone, in integers or float64 and in a fixed order, so
that every worker and every resumed run gets the same numbers.
"""

from __future__ import annotations

import keras
import numpy as np

from reszoo.data import ImageFormat, Split
from reszoo.data.pipeline.batches import batches, fits_in_memory
from reszoo.model.copy_weights import finalize_normalization
from reszoo.spec.architecture import Architecture
from reszoo.spec.image_input import Contrast

SAMPLE = 10_000
"""Number of images that a mean image is estimated from where not all fit into memory."""
_PIXEL_SAMPLE = 1_000
"""Number of images that a mean pixel, which is rounded to integers, is estimated from."""
_BATCH = 256


def set_mean_image(
    model: keras.Model, spec: Architecture, split: Split, image_format: ImageFormat, seed: int
) -> None:
    """Sets the model's mean image, if it has one, after contrast normalisation.

    Where the images do not fit into memory, it is estimated from `SAMPLE` of them, drawn with the
    seed.
    """
    if spec.input.mean != "image":
        return
    sample = split if fits_in_memory(split, image_format) else _sample(split, SAMPLE, seed)
    model.get_layer("mean_image").adapt_mean.assign(
        mean_image(sample, image_format, spec.input.contrast)
    )
    finalize_normalization(model)


def mean_image(split: Split, image_format: ImageFormat, contrast: Contrast) -> np.ndarray:
    """Returns the mean of a split's images, float64 `(height, width, channels)`."""
    total = np.zeros(image_format.shape)
    for images, _ in batches(split, image_format, batch_size=_BATCH):
        total += normalize_contrast(np.asarray(images, np.float64), contrast).sum(axis=0)
    return total / len(split)


def normalize_contrast(images: np.ndarray, contrast: Contrast) -> np.ndarray:
    """Normalises float64 images as the graph's contrast normalisation does, if it has one."""
    if contrast.kind == "none":
        return images
    axes = (1, 2, 3)
    centred = images - images.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    return centred / np.sqrt(variance + contrast.epsilon)


def outside_pixel(
    model: keras.Model, spec: Architecture, split: Split, image_format: ImageFormat, seed: int
) -> tuple[float, ...]:
    """Returns the pixel with which augmentation fills what it uncovers: 0 after normalisation.

    With a mean image or contrast normalisation no such pixel exists: then it is the mean pixel of
    the mean image, or of (a sample of) the training images.
    """
    given = spec.input
    if given.contrast.kind == "global":
        sample = _sample(split, _PIXEL_SAMPLE, seed)
        return _channel_means(mean_image(sample, image_format, Contrast()))
    if given.mean == "image":
        mean = model.get_layer("mean_image").adapt_mean
        return _channel_means(keras.ops.convert_to_numpy(mean))
    return given.mean if isinstance(given.mean, tuple) else (given.mean,)


def _channel_means(image: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in image.mean(axis=(0, 1), dtype=np.float64))


def _sample(split: Split, count: int, seed: int) -> Split:
    """Returns at most `count` examples, drawn with the seed, in the split's order."""
    if len(split) <= count:
        return split
    random = np.random.default_rng(seed & 0xFFFFFFFFFFFFFFFF)
    return split.subset(np.sort(random.choice(len(split), count, replace=False)))
