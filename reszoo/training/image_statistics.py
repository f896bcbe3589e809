"""What does a training find out about its images before its first step? The mean image, and the
pixel that lies outside an image.

Both come from the training images alone, in whole numbers or float64 and in a fixed order, so that
every worker and every resumed run finds the same.
"""

from __future__ import annotations

import keras
import numpy as np

from reszoo.data import ImageFormat, Split
from reszoo.data.pipeline.batches import batches, fits_in_memory
from reszoo.model.copy_weights import finalize_normalization
from reszoo.spec.architecture import Architecture, Contrast

SAMPLE = 10_000
"""Images that a mean image is estimated from where they do not fit into memory."""
_PIXEL_SAMPLE = 1_000
"""Images that a mean pixel, which is rounded to whole numbers, is estimated from."""
_BATCH = 256


def give_mean_image(
    model: keras.Model, spec: Architecture, split: Split, image_format: ImageFormat, seed: int
) -> None:
    """Gives a model that has one the mean of its training images, after contrast normalisation.

    Images that do not fit into memory are estimated from `SAMPLE` of them, drawn with the seed.
    """
    if spec.input.mean != "image":
        return
    sample = split if fits_in_memory(split, image_format) else _sample(split, SAMPLE, seed)
    model.get_layer("mean_image").adapt_mean.assign(
        mean_image(sample, image_format, spec.input.contrast)
    )
    finalize_normalization(model)


def mean_image(split: Split, image_format: ImageFormat, contrast: Contrast) -> np.ndarray:
    """The mean of a split's images, float64 of the image format's shape."""
    total = np.zeros(image_format.shape)
    for images, _ in batches(split, image_format, batch_size=_BATCH):
        total += normalised(np.asarray(images, np.float64), contrast).sum(axis=0)
    return total / len(split)


def normalised(images: np.ndarray, contrast: Contrast) -> np.ndarray:
    """What the graph's contrast normalisation, where there is one, makes of float64 images."""
    if contrast.kind == "none":
        return images
    axes = (1, 2, 3)
    centred = images - images.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    return centred / np.sqrt(variance + contrast.epsilon)


def outside_pixel(
    model: keras.Model, spec: Architecture, split: Split, image_format: ImageFormat, seed: int
) -> tuple[float, ...]:
    """The pixel that augmentation puts where an image is moved away: 0 after normalisation.

    A mean image has no such pixel, nor has contrast normalisation: there it is the mean pixel of
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
    """At most `count` examples, drawn with the seed, in the split's order."""
    if len(split) <= count:
        return split
    random = np.random.default_rng(seed & 0xFFFFFFFFFFFFFFFF)
    return split.subset(np.sort(random.choice(len(split), count, replace=False)))
