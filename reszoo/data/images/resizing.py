"""Resizing: an image of any size becomes the network's height, width and channels.

Resizing keeps the aspect ratio and crops the centre. The result is rounded to uint8, so training,
evaluation, calibration and an int8 device see the same values. An image that already has the right
size is unchanged. Grey images are repeated for a network of three channels; for one of a single
channel RGB is converted to luma (ITU-R 601, as Pillow's mode "L").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from reszoo.data.images.image_format import ImageFormat, as_uint8

if TYPE_CHECKING:
    from reszoo.spec.image_input import Input

_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}
_TRACED_FROM = 48
"""Images from which a traced function is faster: one trace takes as long as 30 of eager mode."""
_CHUNK_BYTES = 1 << 25
"""Bytes of images that are read before they are resized."""


def evaluation_format(values: Input) -> ImageFormat:
    """Returns the image format of evaluation and prediction: of `test_size`, if set."""
    return _image_format(values, values.test_size)


def training_format(values: Input) -> ImageFormat:
    """Returns the image format of training: of `train_size`, if set."""
    return _image_format(values, values.train_size)


def resize_to_format(image: np.ndarray, image_format: ImageFormat) -> np.ndarray:
    """Resizes one image, or a batch of images of one size, and converts its channels.

    Images are uint8, or float with values 0..255, of shape ([batch,] height, width, channels); the
    result is uint8, the same for an image alone and in a batch. Channels that cannot be converted
    raise a UserError.
    """
    if image.ndim == 4:
        return resize_images(image, image_format)
    image = as_uint8(image, image_format)
    with tf.device("CPU:0"):
        return resize_image(tf.constant(image), image_format).numpy()


def resize_images(images: Iterable[np.ndarray], image_format: ImageFormat) -> np.ndarray:
    """Returns the same as `resize_to_format` for images of any sizes, stacked.

    Many small images take a tenth of the time that they take one by one.
    """
    images = iter(images)
    resized = [np.zeros((0, *image_format.shape), np.uint8)]
    while chunk := list(_take_chunk(images)):
        if len(chunk) < _TRACED_FROM:
            resized += [resize_to_format(image, image_format)[None] for image in chunk]
        else:
            resized.append(_resize_traced(chunk, image_format))
    return np.concatenate(resized)


def _take_chunk(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    size = 0
    while size < _CHUNK_BYTES and (image := next(images, None)) is not None:
        size += image.nbytes
        yield image


def _resize_traced(images: Sequence[np.ndarray], image_format: ImageFormat) -> np.ndarray:
    places: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    resized = np.empty((len(images), *image_format.shape), np.uint8)
    for shape, members in places.items():
        same_size = as_uint8(np.stack([images[place] for place in members]), image_format)
        resized[members] = _traced_resize(image_format, shape[-1])(same_size)
    return resized


@cache
def _traced_resize(image_format: ImageFormat, channels: int) -> Callable[[np.ndarray], tf.Tensor]:
    """Returns `resize_image` for batches of images of one size, traced once."""

    def resize(images: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU:0"):
            return tf.map_fn(
                lambda image: resize_image(image, image_format),
                images,
                fn_output_signature=tf.TensorSpec(image_format.shape, tf.uint8),
            )

    signature = [tf.TensorSpec((None, None, None, channels), tf.uint8)]
    return tf.function(resize, input_signature=signature, autograph=False, jit_compile=False)


def resize_image(image: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    """Returns the same as `resize_to_format` for one uint8 image, in TensorFlow operations."""
    if image_format.channels == 1:
        image = with_channels(image, 1)
    image = _resize(image, image_format)
    return tf.ensure_shape(with_channels(image, image_format.channels), image_format.shape)


def with_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Repeats grey for three channels, and converts RGB to luma for one."""
    if channels == 1:
        return _static_cond(_channels(image) == 3, lambda: luma(image), lambda: image)
    if channels == 3:
        return _static_cond(_channels(image) == 1, lambda: tf.tile(image, [1, 1, 3]), lambda: image)
    return image


def luma(image: tf.Tensor) -> tf.Tensor:
    """Converts RGB, uint8, to luma (ITU-R 601) with Pillow's integers: equal bit for bit."""
    weighted = tf.cast(image, tf.int32) * tf.constant([19595, 38470, 7471])
    total = tf.reduce_sum(weighted, axis=-1, keepdims=True) + 0x8000
    return tf.cast(tf.bitwise.right_shift(total, 16), tf.uint8)


def to_uint8(image: tf.Tensor) -> tf.Tensor:
    """Rounds and clips values to 0..255."""
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)


def _image_format(values: Input, side: int | None) -> ImageFormat:
    height, width, channels = values.shape
    image_format = ImageFormat(
        height,
        width,
        channels,
        values.crop,
        values.interpolation,
        values.antialias,
        values.sixteen_bit,
    )
    return image_format if side is None else replace(image_format, height=side, width=side)


def _channels(image: tf.Tensor) -> int | tf.Tensor:
    static = image.shape[-1]
    return tf.shape(image)[-1] if static is None else static


def _static_cond(
    condition: bool | tf.Tensor, yes: Callable[[], tf.Tensor], no: Callable[[], tf.Tensor]
) -> tf.Tensor:
    """Is `tf.cond`, but in Python if the condition is known already."""
    if isinstance(condition, bool):
        return yes() if condition else no()
    return tf.cond(condition, yes, no)


def _resize(image: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    """Resizes an image to the size over `crop`, and crops it; the right size is unchanged."""
    size = tf.shape(image)[:2]
    if image_format.crop < 1:
        return _resample(image, size, image_format)
    same = tf.reduce_all(size == [image_format.height, image_format.width])
    return tf.cond(same, lambda: image, lambda: _resample(image, size, image_format))


def _resample(image: tf.Tensor, size: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    # The arithmetic of torchvision's Resize and CenterCrop: the shorter side, relative to the
    # target, gets exactly its size, the other is truncated, and the crop starts at a whole pixel.
    target = np.array([image_format.height, image_format.width], np.float64)
    covered = np.rint(target / image_format.crop)
    size_before = tf.cast(size, tf.float64)
    scaled = size_before * tf.reduce_max(covered / size_before)
    resized = tf.maximum(tf.floor(scaled + 1e-9), covered)
    start = tf.round((resized - target) * np.array(image_format.place))
    resampled = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=[image_format.height, image_format.width],
        scale=tf.cast(resized / size_before, tf.float32),
        translation=tf.cast(-start, tf.float32),
        kernel_type=_KERNELS[image_format.interpolation],
        antialias=image_format.antialias,
    )
    return to_uint8(resampled[0])
