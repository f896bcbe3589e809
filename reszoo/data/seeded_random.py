"""Random numbers for augmentation: each a pure function of (seed, epoch, key, column).

They come from a counter-based generator, so the image at an index looks the same whether its batch
is the first after a resume or the thousandth, on one worker or on eight, in memory or streamed.

A key is an example's index in its source, and which of its repeats in the batch it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# The columns of an example's draws. Each draw has its place for good, so that turning one
# augmentation on does not change what the others do.
FLIP, SHIFT_Y, SHIFT_X, CROP_Y, CROP_X, CUTOUT_Y, CUTOUT_X = range(7)
SPATIAL = slice(0, 7)
FLIPS = slice(0, 1)
ATTEMPTS = 10
RESIZED_CROP = slice(7, 7 + 2 * ATTEMPTS + 2)
"""Ten areas, ten ratios, and where the box lies."""
SCALE_JITTER = slice(29, 32)
"""The shorter side, and where the box lies."""
AFFINE = slice(32, 35)
"""The angle, and the translations down and right."""
COLOR_JITTER = slice(35, 40)
"""The order of the changes, and the strengths of the four."""
LIGHTING = slice(40, 43)
RANDOM_ERASING = slice(43, 43 + 2 * ATTEMPTS + 4)
"""Whether at all, ten areas, ten ratios, where the box lies, and what fills it."""
MIXUP_CUTMIX = slice(67, 71)
"""Cutmix or mixup, the share, and where the box lies."""
AUTO_AUGMENT = 80
"""Here begin the draws of RandAugment's layers and of TrivialAugment, `AUTO_AUGMENT_DRAWS` each."""
AUTO_AUGMENT_DRAWS = 4
"""Which operation, whether at all, its direction, and its strength."""

_GOLDEN = 0x9E3779B97F4A7C15
_ALL_BITS = 0xFFFFFFFFFFFFFFFF
_REPEAT_BITS = 40  # A source has fewer than 2**40 examples.


def example_keys(indices: np.ndarray, repeats: np.ndarray | int = 0) -> np.ndarray:
    """The keys of examples by their index in the source and their repeat; int64."""
    return np.asarray(indices, np.int64) + (np.asarray(repeats, np.int64) << _REPEAT_BITS)


def source_indices(keys: tf.Tensor) -> tf.Tensor:
    """The indices in the source, in TensorFlow operations."""
    return tf.bitwise.bitwise_and(keys, (1 << _REPEAT_BITS) - 1)


def uniform(seed: int, epoch: int, keys: np.ndarray, columns: slice = SPATIAL) -> np.ndarray:
    """Random numbers in [0, 1) for examples, by hashing (seed, epoch, key, column).

    Returns:
      float64, shape (examples, columns): a row for each of `keys`.
    """
    state = _mixed(_state(seed, epoch) + np.asarray(keys).astype(np.uint64) * np.uint64(_GOLDEN))
    return (_mixed(state[:, None] + _steps(columns)) >> np.uint64(11)) * 2.0**-53


def uniform_tensor(seed: int, epoch: int, keys: tf.Tensor, columns: slice) -> tf.Tensor:
    """`uniform` in TensorFlow operations, which run outside Python: the same bit for bit."""
    golden = tf.constant(_GOLDEN, tf.uint64)
    state = tf.constant(_state(seed, epoch)) + tf.cast(keys, tf.uint64) * golden
    state = _mixed_tensor(_mixed_tensor(state)[:, None] + tf.constant(_steps(columns)))
    bits = tf.bitwise.right_shift(state, tf.constant(11, tf.uint64))
    return tf.cast(bits, tf.float64) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Draws:
    """The draws of one epoch."""

    seed: int
    epoch: int

    def __call__(self, keys: np.ndarray, columns: slice) -> np.ndarray:
        """Numbers in [0, 1), float64, shape (keys, columns)."""
        return uniform(self.seed, self.epoch, keys, columns)

    def tensor(self, keys: tf.Tensor, columns: slice) -> tf.Tensor:
        """The same in TensorFlow operations."""
        return uniform_tensor(self.seed, self.epoch, keys, columns)


def _state(seed: int, epoch: int) -> np.ndarray:
    state = _mixed(np.array([seed & _ALL_BITS], np.uint64))
    return _mixed(state + np.array([epoch], np.uint64) * np.uint64(_GOLDEN))


def _steps(columns: slice) -> np.ndarray:
    column = np.arange(columns.start, columns.stop, dtype=np.uint64) + np.uint64(1)
    return column * np.uint64(_GOLDEN)


def _mixed(state: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of the state reaches every bit of the result."""
    state = state + np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _mixed_tensor(state: tf.Tensor) -> tf.Tensor:
    def folded(value: tf.Tensor, bits: int) -> tf.Tensor:
        moved = tf.bitwise.right_shift(value, tf.constant(bits, tf.uint64))
        return tf.bitwise.bitwise_xor(value, moved)

    state = state + tf.constant(_GOLDEN, tf.uint64)
    state = folded(state, 30) * tf.constant(0xBF58476D1CE4E5B9, tf.uint64)
    state = folded(state, 27) * tf.constant(0x94D049BB133111EB, tf.uint64)
    return folded(state, 31)
