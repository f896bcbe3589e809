"""Decoding in TensorFlow: JPEG and PNG, whole or in part, by the rules of `decoding`."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from reszoo.data.images.decoding import SixteenBit, unmeasured_range

JPEG_START = b"\xff\xd8"
_GREY_16 = b"\x10\0"
"""Bit depth and colour type of 16-bit grey, at byte 24 of a PNG."""


def decode_jpeg_or_png(
    encoded: tf.Tensor, channels: int, sixteen_bit: SixteenBit = None
) -> tf.Tensor:
    """Decodes a JPEG or PNG, uint8; 0 `channels` keeps those of the file."""
    image = tf.cond(
        _is_jpeg(encoded),
        lambda: decode_jpeg(encoded, channels),
        lambda: _decode_png(encoded, channels, sixteen_bit),
    )
    return _set_channels(image, channels)


def decode_jpeg(encoded: tf.Tensor | bytes, channels: int = 0) -> tf.Tensor:
    """Decodes a JPEG, uint8; 0 `channels` keeps those of the file."""
    return tf.io.decode_jpeg(encoded, channels=channels, dct_method="INTEGER_ACCURATE")


def decode_part(
    encoded: tf.Tensor,
    box: Callable[[tf.Tensor], tf.Tensor],
    channels: int,
    sixteen_bit: SixteenBit = None,
) -> tf.Tensor:
    """Decodes a part of a JPEG or PNG, uint8; of a JPEG only that part.

    Args:
      encoded: the file.
      box: returns top, left, height and width of the part, given height and width of the image.
      channels: channels to decode to; 0 keeps those of the file.
      sixteen_bit: how 16-bit grey becomes 8-bit.
    """
    jpeg = _is_jpeg(encoded)
    # The size is in the header of either. TensorFlow walks through every operation of both
    # branches of a condition, so they are kept small.
    size = tf.cond(jpeg, lambda: tf.io.extract_jpeg_shape(encoded)[:2], lambda: _png_size(encoded))
    window = box(tf.ensure_shape(size, [2]))
    part = tf.cond(
        jpeg,
        lambda: tf.io.decode_and_crop_jpeg(
            encoded,
            window,
            channels=channels,
            dct_method="INTEGER_ACCURATE",
            # Chroma is repeated, not interpolated (NVIDIA DALI's default): this saves a tenth
            # of the time, and stretching a random crop changes more.
            fancy_upscaling=False,
        ),
        lambda: crop_to_box(_decode_png(encoded, channels, sixteen_bit), window),
    )
    return _set_channels(part, channels)


def crop_to_box(image: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Returns the part of an image in a box (top, left, height, width)."""
    top, left, height, width = tf.unstack(box)
    return image[top : top + height, left : left + width]


def _decode_png(encoded: tf.Tensor, channels: int, sixteen_bit: SixteenBit) -> tf.Tensor:
    """Decodes a PNG; 16-bit grey as `to_8_bits` converts it."""
    if sixteen_bit is None or sixteen_bit == "high_byte":
        return tf.io.decode_png(encoded, channels=channels)
    if sixteen_bit == "full_range":
        raise unmeasured_range()
    low, high = sixteen_bit
    span = high - low

    def scaled() -> tf.Tensor:
        values = tf.cast(tf.io.decode_png(encoded, channels, dtype=tf.uint16), tf.int32)
        steps = tf.clip_by_value(values, low, high) - low
        return tf.cast((steps * 510 + span) // (2 * span), tf.uint8)

    return tf.cond(
        tf.strings.substr(encoded, 24, 2) == _GREY_16,
        scaled,
        lambda: tf.io.decode_png(encoded, channels=channels),
    )


def _is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(JPEG_START)) == JPEG_START


def _png_size(encoded: tf.Tensor) -> tf.Tensor:
    """Returns height and width, from the chunk that every PNG begins with."""
    sides = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    return tf.reverse(sides, [0])


def _set_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    return tf.ensure_shape(image, [None, None, channels or None])
