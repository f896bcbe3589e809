"""How an image of any size becomes the network's height, width and channels.

Resizing keeps the aspect, a central crop takes the rest, and the result is rounded to uint8, so
training, evaluation, calibration and an int8 device see the same values. An image that already
has the right size is not touched. The network's channels rule: a grey image is repeated for a
network of three channels, colours become luma (ITU-R 601, as Pillow's mode "L") for one channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from reszoo.errors import UserError

if TYPE_CHECKING:
    from reszoo.spec.architecture import Input

_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """The size and channels an image is brought to, and how."""

    height: int
    width: int
    channels: int
    crop: float = 1.0
    """Share of the resized image that the central crop keeps."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    place: tuple[float, float] = (0.5, 0.5)
    """Where the crop lies, down and across: 0 at the upper or left border, 1 at the other."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels


def evaluation_geometry(values: Input) -> ImageFormat:
    """The geometry a spec's `input:` asks for in evaluation, calibration and prediction."""
    return _geometry(values, values.test_size)


def training_geometry(values: Input) -> ImageFormat:
    """The geometry a spec's `input:` asks for in training: `train_size` where it is given."""
    return _geometry(values, values.train_size)


def to_geometry(image: np.ndarray, geometry: ImageFormat) -> np.ndarray:
    """One image, or a batch of equally large ones, brought to a geometry.

    Args:
      image: uint8, or float with values 0..255; shape (height, width, channels), or with a batch
        axis before. An image gets the same values alone and in a batch.
      geometry: what to bring it to.

    Returns:
      uint8, shape (geometry.height, geometry.width, geometry.channels), with the batch axis where
      one came in.

    Raises:
      UserError: the channels cannot be converted.
    """
    if image.ndim == 4:
        done = [to_geometry(single, geometry) for single in image]
        return np.stack(done) if done else np.zeros((0, *geometry.shape), np.uint8)
    require_convertible(image.shape[-1], geometry)
    if image.dtype != np.uint8:
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    with tf.device("CPU:0"):
        return fit(tf.constant(image), geometry).numpy()


def require_convertible(channels: int, geometry: ImageFormat) -> None:
    """Raises a `UserError` where a network of the geometry cannot take images of `channels`."""
    if channels != geometry.channels and {channels, geometry.channels} != {1, 3}:
        raise UserError(
            f"images of {channels} channels do not fit a network of {geometry.channels}",
            expected=f"images of {geometry.channels} channels",
            found=f"images of {channels} channels",
            hint=f"train a network whose input.shape ends with {channels}",
        )


def fit(image: tf.Tensor, geometry: ImageFormat) -> tf.Tensor:
    """`to_geometry` in TensorFlow operations, for one uint8 image of any height and width."""
    if geometry.channels == 1:
        image = with_channels(image, 1)
    image = _resize(image, geometry)
    return tf.ensure_shape(with_channels(image, geometry.channels), geometry.shape)


def with_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Grey repeated for three channels, colours as luma for one."""
    if channels == 1:
        return _when(_channels(image) == 3, lambda: luma(image), lambda: image)
    if channels == 3:
        return _when(_channels(image) == 1, lambda: tf.tile(image, [1, 1, 3]), lambda: image)
    return image


def luma(image: tf.Tensor) -> tf.Tensor:
    """RGB, uint8, to one channel by ITU-R 601, with Pillow's own integers: the same bit for bit."""
    weighted = tf.cast(image, tf.int32) * tf.constant([19595, 38470, 7471])
    total = tf.reduce_sum(weighted, axis=-1, keepdims=True) + 0x8000
    return tf.cast(tf.bitwise.right_shift(total, 16), tf.uint8)


def to_uint8(image: tf.Tensor) -> tf.Tensor:
    """Values 0..255, rounded."""
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)


def _geometry(values: Input, side: int | None) -> ImageFormat:
    height, width, channels = values.shape
    geometry = ImageFormat(
        height, width, channels, values.crop, values.interpolation, values.antialias
    )
    return geometry if side is None else replace(geometry, height=side, width=side)


def _channels(image: tf.Tensor) -> int | tf.Tensor:
    static = image.shape[-1]
    return tf.shape(image)[-1] if static is None else static


def _when(
    condition: bool | tf.Tensor, yes: Callable[[], tf.Tensor], no: Callable[[], tf.Tensor]
) -> tf.Tensor:
    """`tf.cond`, decided now where the shapes are known now."""
    if isinstance(condition, bool):
        return yes() if condition else no()
    return tf.cond(condition, yes, no)


def _resize(image: tf.Tensor, geometry: ImageFormat) -> tf.Tensor:
    """The image resized to cover the wanted size over `crop`, and its centre."""
    size = tf.shape(image)[:2]
    if geometry.crop < 1:
        return _resampled(image, size, geometry)
    same = tf.reduce_all(size == [geometry.height, geometry.width])
    return tf.cond(same, lambda: image, lambda: _resampled(image, size, geometry))


def _resampled(image: tf.Tensor, size: tf.Tensor, geometry: ImageFormat) -> tf.Tensor:
    # The arithmetic of torchvision's Resize and CenterCrop: the side that is scarcer gets exactly
    # its size, the other is truncated to whole pixels, and the crop starts at a whole pixel.
    wanted = np.array([geometry.height, geometry.width], np.float64)
    covered = np.rint(wanted / geometry.crop)
    present = tf.cast(size, tf.float64)
    resized = tf.maximum(tf.floor(present * tf.reduce_max(covered / present) + 1e-9), covered)
    start = tf.round((resized - wanted) * np.array(geometry.place))
    resampled = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=[geometry.height, geometry.width],
        scale=tf.cast(resized / present, tf.float32),
        translation=tf.cast(-start, tf.float32),
        kernel_type=_KERNELS[geometry.interpolation],
        antialias=geometry.antialias,
    )
    return to_uint8(resampled[0])
