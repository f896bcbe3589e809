"""Preprocessing: the examples of one epoch are decoded, resized and augmented.

Decoding, resizing and random crops are TensorFlow operations on single images, outside Python, and
may run on another machine (see `data_service`). Other augmentation is done in NumPy and Pillow on
whole batches, where they are consumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from reszoo.data.augment import geometric
from reszoo.data.augment.augmenter import Augmenter
from reszoo.data.augment.random_crop import (
    crop_candidates,
    random_resized_crop_box,
    resize_crop,
    scale_jitter_box,
)
from reszoo.data.dataset import Split
from reszoo.data.images.image_format import ImageFormat
from reszoo.data.images.resizing import resize_image, with_channels
from reszoo.data.pipeline.sampler import Sampler
from reszoo.data.seeded_random import FLIP_COLUMN, RESIZED_CROP, SCALE_JITTER, Draws
from reszoo.data.source import Element
from reszoo.spec.augmentation import Augmentation


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The preprocessing of one epoch of a split on one worker."""

    split: Split
    image_format: ImageFormat
    sampler: Sampler
    augmentation: Augmentation
    draws: Draws
    fill: tuple[float, ...]

    @property
    def keys(self) -> np.ndarray:
        """Keys of the examples, in the sampler's order."""
        return self.sampler.keys(self.split.indices)

    @property
    def crops_while_decoding(self) -> bool:
        """Whether only a random crop of each image is decoded."""
        recipe = self.augmentation
        return recipe.resized_crop is not None or recipe.scale_jitter is not None

    @property
    def augments_batches(self) -> bool:
        """Whether `augment_batch` changes anything."""
        flips = bool(self.augmentation.flip) and not self._flips_while_decoding
        return flips or self.augmentation.mixes or not self._augmenter.only_flips

    @property
    def target_dtype(self) -> tf.DType:
        """int32 for classes, float32 for their shares in mixed images."""
        return tf.float32 if self.augmentation.mixes else tf.int32

    def draw_parameters(self, keys: tf.Tensor) -> Element:
        """Returns what `decode` needs of examples besides their encoded images."""
        element: Element = {"key": keys}
        if self.augmentation.resized_crop is not None:
            draws = self.draws.tensor(keys, RESIZED_CROP)
            element["box"] = crop_candidates(self.augmentation.resized_crop, draws)
        if self.augmentation.scale_jitter is not None:
            element["box"] = self.draws.tensor(keys, SCALE_JITTER)
        if self._flips_while_decoding:
            flip_draws = geometric.flip_draws(self.augmentation, self.draws)
            flips = flip_draws.tensor(keys, FLIP_COLUMN)[:, 0] < 0.5
            inverted = geometric.flips_inverted(self.augmentation, self.draws)
            element["flip"] = tf.logical_not(flips) if inverted else flips
        return element

    def decode(self, element: Element) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the image in the image format, the label and the key of one example."""
        return self._decode_image(element), element["label"], element["key"]

    def augment_batch(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        keys: np.ndarray,
        rows: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the decoded images at `rows`, by default all, as the network sees them.

        `labels` and `keys` are those of the result; the second value is the network's targets.
        """
        augmenter = self._augmenter
        images = augmenter.augment(images, keys, rows, flipped=self._flips_while_decoding)
        if not self.augmentation.mixes:
            return images, labels
        images, targets = augmenter.mix(images, labels, keys, len(self.split.classes))
        return images[self.sampler.own], targets[self.sampler.own]

    def ensure_shapes(self, images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Sets the static shapes of a batch, which Python functions lose."""
        own = self.sampler.own
        full = len(self.sampler.rows) % self.sampler.size == 0
        count = own.stop - own.start if full else None
        classes = [len(self.split.classes)] if self.augmentation.mixes else []
        return (
            tf.ensure_shape(images, [count, *self.image_format.shape]),
            tf.ensure_shape(targets, [count, *classes]),
        )

    @property
    def _augmenter(self) -> Augmenter:
        return Augmenter(self.augmentation, self.draws, self.fill)

    @property
    def _flips_while_decoding(self) -> bool:
        # For large images this takes a third of the time of gathering the pixels of a batch.
        flips = bool(self.augmentation.flip) and not geometric.crops_or_shifts(self.augmentation)
        return self.crops_while_decoding and flips

    def _decode_image(self, element: Element) -> tf.Tensor:
        source, image_format = self.split.source, self.image_format
        if not self.crops_while_decoding:
            return resize_image(source.image(element, image_format.sixteen_bit), image_format)
        crop = source.crop(
            element,
            lambda size: self._crop_box(size, element["box"]),
            colours=image_format.channels == 3,
            sixteen_bit=image_format.sixteen_bit,
        )
        image = with_channels(resize_crop(crop, image_format), image_format.channels)
        if self._flips_while_decoding:
            image = tf.cond(element["flip"], lambda: tf.reverse(image, [1]), lambda: image)
        return tf.ensure_shape(image, image_format.shape)

    def _crop_box(self, size: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        if self.augmentation.resized_crop is not None:
            return random_resized_crop_box(size, self.augmentation.resized_crop, parameters)
        assert self.augmentation.scale_jitter is not None
        return scale_jitter_box(size, self.augmentation.scale_jitter, self.image_format, parameters)
