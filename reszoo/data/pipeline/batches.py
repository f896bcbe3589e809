"""Batches of images and labels, the same whenever and wherever they are asked for.

Small splits are decoded once into an array in memory; large ones, and those trained with random
resized crops, stream. Either way the order and every augmentation are a pure function of
(seed, epoch, index), so that batch 500 of an epoch needs nothing of the 499 before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from reszoo.data.augment.augmenter import require_supported_channels
from reszoo.data.dataset import Split
from reszoo.data.images.resizing import ImageFormat, fit, require_convertible
from reszoo.data.pipeline.data_service import served
from reszoo.data.pipeline.preprocessing import Preprocessing
from reszoo.data.pipeline.sampler import epoch_sampler
from reszoo.data.seeded_random import Draws, source_indices
from reszoo.data.source import Element
from reszoo.data.tfdata_options import (
    PREFETCHED_BATCHES,
    PARALLEL_BATCHES,
    PARALLEL_IMAGES,
    without_autotuning,
)
from reszoo.spec.augmentation import Augmentation

MEMORY_BYTES = 1 << 30
"""Splits that take no more than this when decoded are kept in memory."""

_READ_TOGETHER = 64


def batches(
    split: Split,
    image_format: ImageFormat,
    *,
    batch_size: int,
    seed: int | None = None,
    epoch: int = 0,
    start: int = 0,
    augmentation: Augmentation | None = None,
    fill: Sequence[float] = (0.0,),
    drop_remainder: bool = False,
    pad: bool = False,
    share: tuple[int, int] = (0, 1),
    in_memory: bool | None = None,
    data_service: str | None = None,
) -> tf.data.Dataset:
    """One epoch of a split, or one worker's share of it.

    Args:
      split: the examples.
      image_format: the size and channels of the images that come out.
      batch_size: images in a batch, over all workers; the last may have fewer.
      seed: None gives the split's own order, for evaluation; a number a permutation of it, which
        with every augmentation is a pure function of (seed, epoch, index).
      epoch: which epoch, from 0.
      start: how many batches of the epoch are done already; they are not decoded again.
      augmentation: what a recipe asks to be done to each image; needs a seed.
      fill: the pixel shifts, padded crops and cutout fill with: one value or one per channel.
      drop_remainder: leave out a last batch that is not full.
      pad: fill the last batch up and give every image a weight: 0 for what fills, 1 otherwise.
      share: worker k of n is (k, n): of every batch it gets, and decodes, the k-th of n equal
        parts. All workers' parts together are the batch that one worker gets.
      in_memory: decode the split once and keep it (True), or stream it (False); chosen by size
        unless given.
      data_service: the dispatcher of a tf.data service (`grpc://host:port`) whose workers decode
        what streams; see `service.py`.

    Returns:
      A dataset of (images, labels), with `pad` of (images, labels, weights): uint8 of shape
      (batch, height, width, channels), int32 and float32. Where the recipe mixes images, labels are
      float32 of shape (batch, classes): shares that sum to 1.
    """
    if augmentation is not None and seed is None:
        raise ValueError("augmentation needs a seed")
    require_convertible(split.source.channels, image_format)
    asked = augmentation or Augmentation()
    require_supported_channels(asked, image_format.channels)
    order = epoch_sampler(
        len(split),
        batch_size,
        seed=seed,
        epoch=epoch,
        start=start,
        repeats=asked.repeats,
        drop_remainder=drop_remainder,
        pad=pad,
        share=share,
        in_pairs=asked.mixes,
    )
    work = Preprocessing(split, image_format, order, asked, Draws(seed or 0, epoch), tuple(fill))
    if in_memory is None:
        in_memory = fits_in_memory(split, image_format)
    if in_memory and not work.crops:
        dataset = _from_memory(work)
    else:
        dataset = _finished(work, served(work, data_service) if data_service else _decoded(work))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(order.steps))
    if pad:
        weights = tf.data.Dataset.from_tensor_slices(order.weights).batch(order.size)
        weights = weights.map(lambda weight: tf.ensure_shape(weight, [order.size]))
        dataset = tf.data.Dataset.zip(dataset, weights).map(lambda pair, weight: (*pair, weight))
    return without_autotuning(dataset.prefetch(PREFETCHED_BATCHES))


def fits_in_memory(split: Split, image_format: ImageFormat) -> bool:
    """Whether a split is small enough, decoded in an image format, to be kept in memory."""
    return len(split) * int(np.prod(image_format.shape)) <= MEMORY_BYTES


def images_in_memory(split: Split, image_format: ImageFormat) -> np.ndarray:
    """All images of a split in an image format: uint8, shape (examples, height, width, channels).

    They are decoded on the first call and kept with the split until another image format is asked for.
    """
    if image_format not in split.decoded:
        split.decoded.clear()  # Progressive resizing should not hold every size.
        split.decoded[image_format] = _all_decoded(split, image_format)
    return split.decoded[image_format]


def _from_memory(work: Preprocessing) -> tf.data.Dataset:
    whole = (
        work.split.source.whole(work.image_format.shape) if work.image_format.crop == 1 else None
    )
    images = images_in_memory(work.split, work.image_format) if whole is None else whole
    rows, keys = work.order.rows, work.keys
    places = rows if whole is None else work.split.indices[rows]

    def batch(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        part = work.order.batch(int(step))
        labels = work.split.labels[rows[part]]
        return work.taken(images, places[part], labels, keys[part])

    steps = tf.data.Dataset.range(work.order.steps)
    types = [tf.uint8, work.target_type]
    return steps.map(
        lambda step: work.shaped(*tf.numpy_function(batch, [step], types)),
        num_parallel_calls=PARALLEL_BATCHES,
    )


def _finished(work: Preprocessing, decoded: tf.data.Dataset) -> tf.data.Dataset:
    if not work.finishes:
        return decoded.map(lambda images, labels, keys: work.shaped(images, labels))
    types = [tf.uint8, work.target_type]
    return decoded.map(
        lambda *batch: work.shaped(*tf.numpy_function(work.finished, batch, types)),
        num_parallel_calls=PARALLEL_BATCHES,
    )


def _decoded(work: Preprocessing) -> tf.data.Dataset:
    """Images, labels and keys, in batches in their order."""

    def load(keys: tf.Tensor) -> Element:
        return work.split.source.load(source_indices(keys)) | work.drawn(keys)

    def decode(element: Element) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return work.image(element), element["label"], element["key"]

    chunks = tf.data.Dataset.from_tensor_slices(work.keys).batch(_READ_TOGETHER)
    read = chunks.map(load, num_parallel_calls=2).unbatch()
    images = read.map(decode, num_parallel_calls=PARALLEL_IMAGES)
    return images.batch(work.order.size)


def _all_decoded(split: Split, image_format: ImageFormat) -> np.ndarray:
    source = split.source

    def decode(indices: tf.Tensor) -> tf.Tensor:
        # One step of the pipeline for many images: for small ones the step costs more than they.
        return tf.map_fn(
            lambda element: fit(source.image(element), image_format),
            source.load(indices),
            fn_output_signature=tf.TensorSpec(image_format.shape, tf.uint8),
        )

    images = np.empty((len(split), *image_format.shape), np.uint8)
    chunks = tf.data.Dataset.from_tensor_slices(split.indices).batch(_READ_TOGETHER)
    place = 0
    decoded = without_autotuning(chunks.map(decode, num_parallel_calls=PARALLEL_IMAGES))
    for group in decoded.as_numpy_iterator():
        images[place : place + len(group)] = group
        place += len(group)
    return images
