"""How parallel are the steps of a pipeline? As told: tf.data does not tune itself here.

Its tuner may miss being told that an iterator ends (TensorFlow 2.21: its thread is woken before it
could see why), and then sleeps on, for up to as long as the iterator lived and a minute at most,
with who lets go of the iterator waiting for it: iterators that lived for 2.9 seconds took 5.1.
"""

from __future__ import annotations

import tensorflow as tf

from reszoo.system_info import usable_cores

PARALLEL_IMAGES = usable_cores()
"""Images that are decoded at once."""

PARALLEL_BATCHES = min(usable_cores(), 8)
"""Whole batches that are worked on in Python at once; each waits for the interpreter in between."""

PREFETCHED_BATCHES = 2
"""Finished batches that wait to be trained on."""


def without_autotuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset, whose iterators end at once."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
