"""Random numbers for augmentation: each a pure function of (seed, epoch, key, column).

The generator is counter-based (splitmix64), so an image is augmented alike whether its batch is the
first after a resume or the thousandth, on one worker or on eight, in memory or streamed. A key is
an example's index in its source together with the number of its repeat in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# The columns of an example's draws. They never change, so that turning one augmentation on does
# not change the others.
FLIP, SHIFT_Y, SHIFT_X, CROP_Y, CROP_X, CUTOUT_Y, CUTOUT_X = range(7)
SPATIAL = slice(0, 7)
FLIP_COLUMN = slice(FLIP, FLIP + 1)
ATTEMPTS = 10
RESIZED_CROP = slice(7, 7 + 2 * ATTEMPTS + 2)
"""Ten areas, ten ratios, and the position of the box."""
SCALE_JITTER = slice(29, 32)
"""The shorter side, and the position of the box."""
AFFINE = slice(32, 35)
"""The angle of rotation, and the translations down and right."""
COLOR_JITTER = slice(35, 40)
"""The order of the four operations, and their strengths."""
LIGHTING = slice(40, 43)
RANDOM_ERASING = slice(43, 43 + 2 * ATTEMPTS + 4)
"""Whether it is applied, ten areas, ten ratios, the position of the box, and the noise."""
MIXUP_CUTMIX = slice(67, 71)
"""Cutmix or mixup, the share, and the centre of the box."""
AUTO_AUGMENT = 80
"""First column of RandAugment's layers and of TrivialAugment, `AUTO_AUGMENT_DRAWS` each."""
AUTO_AUGMENT_DRAWS = 4
"""The operation, whether it is applied, its direction, and its strength."""

_GOLDEN = 0x9E3779B97F4A7C15
_ALL_BITS = 0xFFFFFFFFFFFFFFFF
_REPEAT_BITS = 40  # A source has fewer than 2**40 examples.


def example_keys(indices: np.ndarray, repeats: np.ndarray | int = 0) -> np.ndarray:
    """Returns the keys of examples from their indices in the source and their repeats, int64."""
    return np.asarray(indices, np.int64) + (np.asarray(repeats, np.int64) << _REPEAT_BITS)


def source_indices(keys: tf.Tensor) -> tf.Tensor:
    """Returns the indices in the source from keys, in TensorFlow operations."""
    return tf.bitwise.bitwise_and(keys, (1 << _REPEAT_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of one epoch."""

    seed: int
    epoch: int

    def __call__(self, keys: np.ndarray, columns: slice = SPATIAL) -> np.ndarray:
        """Returns hashes of (seed, epoch, key, column) in [0, 1), float64: (keys, columns)."""
        golden = np.uint64(_GOLDEN)
        state = _splitmix64(self._state() + np.asarray(keys).astype(np.uint64) * golden)
        return (_splitmix64(state[:, None] + _steps(columns)) >> np.uint64(11)) * 2.0**-53

    def tensor(self, keys: tf.Tensor, columns: slice) -> tf.Tensor:
        """Returns the same bit for bit, in TensorFlow operations (outside Python)."""
        golden = tf.constant(_GOLDEN, tf.uint64)
        state = tf.constant(self._state()) + tf.cast(keys, tf.uint64) * golden
        state = _splitmix64_tensor(state)[:, None] + tf.constant(_steps(columns))
        bits = tf.bitwise.right_shift(_splitmix64_tensor(state), tf.constant(11, tf.uint64))
        return tf.cast(bits, tf.float64) * 2.0**-53

    def _state(self) -> np.ndarray:
        state = _splitmix64(np.array([self.seed & _ALL_BITS], np.uint64))
        return _splitmix64(state + np.array([self.epoch], np.uint64) * np.uint64(_GOLDEN))


def _steps(columns: slice) -> np.ndarray:
    column = np.arange(columns.start, columns.stop, dtype=np.uint64) + np.uint64(1)
    return column * np.uint64(_GOLDEN)


def _splitmix64(state: np.ndarray) -> np.ndarray:
    """Scrambles a state: every bit of it reaches every bit of the result."""
    state = state + np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _splitmix64_tensor(state: tf.Tensor) -> tf.Tensor:
    def xor_shift(value: tf.Tensor, bits: int) -> tf.Tensor:
        shifted = tf.bitwise.right_shift(value, tf.constant(bits, tf.uint64))
        return tf.bitwise.bitwise_xor(value, shifted)

    state = state + tf.constant(_GOLDEN, tf.uint64)
    state = xor_shift(state, 30) * tf.constant(0xBF58476D1CE4E5B9, tf.uint64)
    state = xor_shift(state, 27) * tf.constant(0x94D049BB133111EB, tf.uint64)
    return xor_shift(state, 31)
