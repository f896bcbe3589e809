"""tf.data options: no autotuning, which can delay iterator shutdown in TF 2.21, and no autograph.

The tuner's thread may miss the signal that its iterator ends: it is woken before it could see why,
and sleeps on for up to as long as the iterator lived, a minute at most, while whoever drops the
iterator waits for it. Iterators that lived for 2.9 s took 5.1 s. Parallelism is therefore fixed.
"""

from __future__ import annotations

import tensorflow as tf

from reszoo.system_info import usable_cores

PARALLEL_IMAGES = usable_cores()
"""Number of images decoded in parallel."""

PARALLEL_BATCHES = min(usable_cores(), 8)
"""Number of whole batches augmented in parallel in Python; they contend for the interpreter."""

unconverted = tf.autograph.experimental.do_not_convert
"""Decorates the functions of a pipeline, which have no control flow for autograph to convert.

Its conversion took two of the six CPU seconds that one epoch on the digits needs beyond imports.
"""

PREFETCHED_BATCHES = 2
"""Number of finished batches kept ready for the training step."""


def without_autotuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the dataset with autotuning off, so that its iterators end at once."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
