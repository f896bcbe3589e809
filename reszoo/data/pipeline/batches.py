"""Batches of images and labels as a reproducible `tf.data.Dataset`.

Small splits are decoded once into an array in memory; large ones, and those with random crops while
decoding, are streamed. Either way order and augmentation are a pure function of
(seed, epoch, index), so that batch 500 of an epoch does not need the 499 before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from reszoo.data.augment.augmenter import require_supported_channels
from reszoo.data.dataset import Split
from reszoo.data.images.image_format import ImageFormat, require_convertible
from reszoo.data.images.resizing import resize_image
from reszoo.data.pipeline.data_service import remote_batches
from reszoo.data.pipeline.preprocessing import Preprocessing
from reszoo.data.pipeline.sampler import epoch_sampler
from reszoo.data.seeded_random import Draws, source_indices
from reszoo.data.source import Element
from reszoo.data.tfdata_options import (
    PARALLEL_BATCHES,
    PARALLEL_IMAGES,
    PREFETCHED_BATCHES,
    unconverted,
    without_autotuning,
)
from reszoo.spec.augmentation import Augmentation

MEMORY_BYTES = 1 << 30
"""Splits up to this size, decoded, are kept in memory."""

_READ_SIZE = 64  # examples read by one step of the pipeline


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
    """Returns one epoch of a split, or one worker's share of it.

    Args:
      split: the examples.
      image_format: height, width and channels of the images.
      batch_size: images in a global batch, that is of all workers; the last may have fewer.
      seed: of the order and the augmentation. None keeps the split's own order, for evaluation.
      epoch: number of the epoch, from 0.
      start: number of batches to skip; they are not decoded.
      augmentation: the recipe's augmentation; needs a seed. Defaults to none.
      fill: the pixel outside an image and in erased parts: one value or one per channel.
      drop_remainder: drop the last batch if it is not full.
      pad: pad the last batch and add weights: 0 for padding, 1 otherwise.
      share: (k, n) for worker k of n: it gets, and decodes, the k-th of n equal parts of each
        batch. The parts of all workers together are the batch of a single one.
      in_memory: decode the split once and keep it (True), or stream it (False). Defaults to True
        for splits up to `MEMORY_BYTES`.
      data_service: the dispatcher of a tf.data service (`grpc://host:port`) whose workers decode
        streamed splits; see `data_service.py`.

    Returns:
      A dataset of (images, labels), with `pad` of (images, labels, weights): uint8 of shape
      (batch, height, width, channels), int32 and float32. Where the recipe mixes images, labels are
      float32 of shape (batch, classes): shares that sum to 1.

    Raises:
      ValueError: augmentation without a seed, or batches cannot be divided among the workers.
      UserError: the images' channels do not fit the image format or the augmentation.
    """
    if augmentation is not None and seed is None:
        raise ValueError("augmentation needs a seed")
    require_convertible(split.source.channels, image_format)
    recipe = augmentation or Augmentation()
    require_supported_channels(recipe, image_format.channels)
    sampler = epoch_sampler(
        len(split),
        batch_size,
        seed=seed,
        epoch=epoch,
        start=start,
        repeats=recipe.repeats,
        drop_remainder=drop_remainder,
        pad=pad,
        share=share,
        in_pairs=recipe.mixes,
    )
    draws = Draws(seed or 0, epoch)
    preprocessing = Preprocessing(split, image_format, sampler, recipe, draws, tuple(fill))
    if in_memory is None:
        in_memory = fits_in_memory(split, image_format)
    if in_memory and not preprocessing.crops_while_decoding:
        dataset = _batches_from_memory(preprocessing)
    elif data_service:
        dataset = _augment(preprocessing, remote_batches(preprocessing, data_service))
    else:
        dataset = _augment(preprocessing, _decoded_batches(preprocessing))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(sampler.steps))
    if pad:
        weights = tf.data.Dataset.from_tensor_slices(sampler.weights).batch(sampler.size)
        weights = weights.map(unconverted(lambda weight: tf.ensure_shape(weight, [sampler.size])))
        dataset = tf.data.Dataset.zip(dataset, weights).map(
            unconverted(lambda pair, weight: (*pair, weight))
        )
    return without_autotuning(dataset.prefetch(PREFETCHED_BATCHES))


def fits_in_memory(split: Split, image_format: ImageFormat) -> bool:
    """Returns whether a decoded split is small enough to be kept in memory."""
    return len(split) * int(np.prod(image_format.shape)) <= MEMORY_BYTES


def images_in_memory(split: Split, image_format: ImageFormat) -> np.ndarray:
    """Returns all images of a split: uint8, shape (examples, height, width, channels).

    They are decoded on the first call, and cached until another image format is requested.
    """
    if image_format not in split.decoded:
        split.decoded.clear()  # Progressive resizing should not hold every size.
        split.decoded[image_format] = _decode_split(split, image_format)
    return split.decoded[image_format]


def _batches_from_memory(preprocessing: Preprocessing) -> tf.data.Dataset:
    split, sampler = preprocessing.split, preprocessing.sampler
    image_format, keys = preprocessing.image_format, preprocessing.keys
    images, rows = None, split.indices[sampler.rows]
    if image_format.crop == 1:
        images = split.source.in_memory_array(image_format.shape)
    if images is None:
        images, rows = images_in_memory(split, image_format), sampler.rows
    labels = split.labels[sampler.rows]

    def batch(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        part = sampler.batch(int(step))
        return preprocessing.augment_batch(images, labels[part], keys[part], rows[part])

    return _map_python(preprocessing, tf.data.Dataset.range(sampler.steps), batch)


def _augment(preprocessing: Preprocessing, decoded: tf.data.Dataset) -> tf.data.Dataset:
    if preprocessing.augments_batches:
        return _map_python(preprocessing, decoded, preprocessing.augment_batch)
    return decoded.map(
        unconverted(lambda images, labels, keys: preprocessing.ensure_shapes(images, labels))
    )


def _map_python(
    preprocessing: Preprocessing, dataset: tf.data.Dataset, function: Callable[..., Any]
) -> tf.data.Dataset:
    """Maps a NumPy function that returns images and targets."""
    types = [tf.uint8, preprocessing.target_dtype]

    @unconverted
    def call(*batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return preprocessing.ensure_shapes(*tf.numpy_function(function, batch, types))

    return dataset.map(call, num_parallel_calls=PARALLEL_BATCHES)


def _decoded_batches(preprocessing: Preprocessing) -> tf.data.Dataset:
    """Returns decoded images, labels and keys in batches."""

    @unconverted
    def load(keys: tf.Tensor) -> Element:
        encoded = preprocessing.split.source.load(source_indices(keys))
        return encoded | preprocessing.draw_parameters(keys)

    chunks = tf.data.Dataset.from_tensor_slices(preprocessing.keys).batch(_READ_SIZE)
    elements = chunks.map(load, num_parallel_calls=2).unbatch()
    decoded = elements.map(unconverted(preprocessing.decode), num_parallel_calls=PARALLEL_IMAGES)
    return decoded.batch(preprocessing.sampler.size)


def _decode_split(split: Split, image_format: ImageFormat) -> np.ndarray:
    source = split.source

    @unconverted
    def decode(indices: tf.Tensor) -> tf.Tensor:
        # One step of the pipeline for many images: for small ones the step costs more than they.
        return tf.map_fn(
            lambda element: resize_image(
                source.image(element, image_format.sixteen_bit), image_format
            ),
            source.load(indices),
            fn_output_signature=tf.TensorSpec(image_format.shape, tf.uint8),
        )

    images = np.empty((len(split), *image_format.shape), np.uint8)
    chunks = tf.data.Dataset.from_tensor_slices(split.indices).batch(_READ_SIZE)
    decoded = without_autotuning(chunks.map(decode, num_parallel_calls=PARALLEL_IMAGES))
    position = 0
    for group in decoded.as_numpy_iterator():
        images[position : position + len(group)] = group
        position += len(group)
    return images
