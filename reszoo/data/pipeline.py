"""Batches of images and labels, the same whenever and wherever they are asked for.

Small splits are decoded once into an array in memory; large ones, and those trained with random
resized crops, stream. Either way the order and every augmentation are a pure function of
(seed, epoch, index), so that batch 500 of an epoch needs nothing of the 499 before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from reszoo.data import augment
from reszoo.data.dataset import Split
from reszoo.data.geometry import Geometry, fit, require_convertible
from reszoo.data.source import Element
from reszoo.spec.augmentation import Augmentation

MEMORY_BYTES = 1 << 30
"""Splits that take no more than this when decoded are kept in memory."""

_READ_TOGETHER = 64


def batches(
    split: Split,
    geometry: Geometry,
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
) -> tf.data.Dataset:
    """One epoch of a split, or one worker's share of it.

    Args:
      split: the examples.
      geometry: the size and channels of the images that come out.
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

    Returns:
      A dataset of (images, labels), with `pad` of (images, labels, weights): uint8 of shape
      (batch, height, width, channels), int32 and float32.
    """
    if augmentation is not None and seed is None:
        raise ValueError("augmentation needs a seed")
    if share[1] > 1 and not (drop_remainder or pad):
        raise ValueError("workers share full batches: drop the remainder or pad it")
    if batch_size % share[1]:
        raise ValueError(f"a batch of {batch_size} does not divide over {share[1]} workers")
    require_convertible(split.source.channels, geometry)
    order = _order(len(split), seed, epoch)
    if drop_remainder:
        order = order[: len(order) // batch_size * batch_size]
    order = order[start * batch_size :]
    weights = np.ones(len(order), np.float32)
    if pad:
        # The last image again: whatever it is, its weight is 0.
        missing = -len(order) % batch_size
        order, weights = np.pad(order, (0, missing), mode="edge"), np.pad(weights, (0, missing))
    size = batch_size // share[1]
    order, weights = _shared(order, share, size), _shared(weights, share, size)
    if in_memory is None:
        in_memory = fits_in_memory(split, geometry)
    work = _Work(split, geometry, seed or 0, epoch, augmentation, fill)
    make = _from_memory if in_memory and not work.crops else _streamed
    shape = (size if drop_remainder or pad else None, *geometry.shape)
    dataset = make(work, order, size).map(lambda *batch: _shaped(*batch, shape=shape))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(-(-len(order) // size)))
    if pad:
        weighted = tf.data.Dataset.from_tensor_slices(weights).batch(size, drop_remainder=True)
        dataset = tf.data.Dataset.zip(dataset, weighted).map(lambda pair, weight: (*pair, weight))
    return dataset.prefetch(tf.data.AUTOTUNE)


def fits_in_memory(split: Split, geometry: Geometry) -> bool:
    """Whether a split is small enough, decoded in a geometry, to be kept in memory."""
    return len(split) * int(np.prod(geometry.shape)) <= MEMORY_BYTES


def images_in_memory(split: Split, geometry: Geometry) -> np.ndarray:
    """All images of a split in a geometry: uint8, shape (examples, height, width, channels).

    They are decoded on the first call and kept with the split until another geometry is asked for.
    """
    if geometry not in split.decoded:
        split.decoded.clear()  # Progressive resizing should not hold every size.
        split.decoded[geometry] = _decoded(split, geometry)
    return split.decoded[geometry]


def _order(count: int, seed: int | None, epoch: int) -> np.ndarray:
    order = np.arange(count)
    if seed is None:
        return order
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, epoch]).permutation(order)


def _shared(values: np.ndarray, share: tuple[int, int], size: int) -> np.ndarray:
    """What is one worker's of values in the order of whole batches."""
    worker, workers = share
    return values if workers == 1 else values.reshape(-1, workers, size)[:, worker].ravel()


class _Work:
    """What happens to the examples of one epoch."""

    def __init__(
        self,
        split: Split,
        geometry: Geometry,
        seed: int,
        epoch: int,
        augmentation: Augmentation | None,
        fill: Sequence[float],
    ) -> None:
        self.split = split
        self.geometry = geometry
        self.seed = seed
        self.epoch = epoch
        self.augmentation = augmentation
        self.fill = tuple(fill)
        self.crops = augmentation is not None and augmentation.resized_crop is not None
        self.moves = augment.moves(augmentation)

    def moved(
        self, images: np.ndarray, indices: np.ndarray, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Augmented images; `indices` say where they stand in the source, `rows` in `images`."""
        if not self.moves or self.augmentation is None:
            return images if rows is None else images[rows]
        draws = augment.uniform(self.seed, self.epoch, indices)
        return augment.augment(images, self.augmentation, draws, self.fill, rows)

    def crop_draws(self, indices: np.ndarray) -> np.ndarray:
        """The draws of random resized crops, float32."""
        columns = augment.RESIZED_CROP
        return augment.uniform(self.seed, self.epoch, indices, columns).astype(np.float32)

    def image(self, element: Element) -> tf.Tensor:
        """One example's pixels in the geometry, after a random resized crop where there is one."""
        if not self.crops or self.augmentation is None or self.augmentation.resized_crop is None:
            return fit(self.split.source.image(element), self.geometry)
        crop = self.augmentation.resized_crop
        part = self.split.source.crop(
            element, lambda size: augment.random_box(size, crop, element["draws"])
        )
        return fit(augment.resized(part, self.geometry), replace(self.geometry, crop=1.0))


def _from_memory(work: _Work, order: np.ndarray, batch_size: int) -> tf.data.Dataset:
    whole = work.split.source.whole(work.geometry.shape) if work.geometry.crop == 1 else None
    images = images_in_memory(work.split, work.geometry) if whole is None else whole
    labels, indices = work.split.labels, work.split.indices

    def batch(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = order[step * batch_size : (step + 1) * batch_size]
        rows = chosen if whole is None else indices[chosen]
        return work.moved(images, indices[chosen], rows), labels[chosen]

    steps = tf.data.Dataset.range(-(-len(order) // batch_size))
    return steps.map(lambda step: tf.numpy_function(batch, [step], [tf.uint8, tf.int32]))


def _streamed(work: _Work, order: np.ndarray, batch_size: int) -> tf.data.Dataset:
    examples = _examples(work, work.split.indices[order])

    def moved(
        images: tf.Tensor, labels: tf.Tensor, indices: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.numpy_function(work.moved, [images, indices], tf.uint8), labels

    grouped = examples.batch(batch_size)
    if not work.moves:
        return grouped.map(lambda images, labels, indices: (images, labels))
    return grouped.map(moved, num_parallel_calls=tf.data.AUTOTUNE)


def _examples(work: _Work, indices: np.ndarray) -> tf.data.Dataset:
    """Image, label and index of single examples in the order of some source indices."""

    def load(chunk: tf.Tensor) -> Element:
        element = work.split.source.load(chunk) | {"index": chunk}
        if work.crops:
            draws = tf.numpy_function(work.crop_draws, [chunk], tf.float32)
            width = augment.RESIZED_CROP.stop - augment.RESIZED_CROP.start
            element["draws"] = tf.ensure_shape(draws, [None, width])
        return element

    def decode(element: Element) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return work.image(element), element["label"], element["index"]

    chunks = tf.data.Dataset.from_tensor_slices(indices).batch(_READ_TOGETHER)
    read = chunks.map(load, num_parallel_calls=2).unbatch()
    return read.map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def _decoded(split: Split, geometry: Geometry) -> np.ndarray:
    source = split.source

    def decode(indices: tf.Tensor) -> tf.Tensor:
        # One step of the pipeline for many images: for small ones the step costs more than they.
        return tf.map_fn(
            lambda element: fit(source.image(element), geometry),
            source.load(indices),
            fn_output_signature=tf.TensorSpec(geometry.shape, tf.uint8),
        )

    images = np.empty((len(split), *geometry.shape), np.uint8)
    chunks = tf.data.Dataset.from_tensor_slices(split.indices).batch(_READ_TOGETHER)
    place = 0
    for group in chunks.map(decode, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator():
        images[place : place + len(group)] = group
        place += len(group)
    return images


def _shaped(
    images: tf.Tensor, labels: tf.Tensor, *, shape: tuple[int | None, ...]
) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.ensure_shape(images, shape), tf.ensure_shape(labels, shape[:1])
