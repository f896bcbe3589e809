"""What happens to the examples of one epoch on one worker: while decoding, and to whole batches.

The first runs in TensorFlow, image by image, outside Python, so that it may also run on another
machine. The second is NumPy and Pillow on a batch, where the batch is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from reszoo.data.augment import geometric
from reszoo.data.augment.augmenter import Augmenter
from reszoo.data.augment.random_crop import (
    random_resized_crop_candidates,
    scale_jitter_box,
    random_resized_crop_box,
    resized,
)
from reszoo.data.dataset import Split
from reszoo.data.images.resizing import ImageFormat, fit, with_channels
from reszoo.data.pipeline.sampler import Sampler
from reszoo.data.seeded_random import FLIPS, RESIZED_CROP, SCALE_JITTER, Draws
from reszoo.data.source import Element
from reszoo.spec.augmentation import Augmentation


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """A split's examples in an order, an image format, and what a recipe asks to be done to them."""

    split: Split
    image_format: ImageFormat
    order: Sampler
    augmentation: Augmentation
    draws: Draws
    fill: tuple[float, ...]

    @property
    def keys(self) -> np.ndarray:
        """The key of each example in the order."""
        return self.order.keys(self.split.indices)

    @property
    def crops(self) -> bool:
        """Whether only a random part of each image is decoded."""
        return self.augmentation.resized_crop is not None or (
            self.augmentation.scale_jitter is not None
        )

    def drawn(self, keys: tf.Tensor) -> Element:
        """What `image` needs to know of examples that it cannot ask of the source."""
        element: Element = {"key": keys}
        if self.augmentation.resized_crop is not None:
            draws = self.draws.tensor(keys, RESIZED_CROP)
            element["box"] = random_resized_crop_candidates(self.augmentation.resized_crop, draws)
        if self.augmentation.scale_jitter is not None:
            element["box"] = self.draws.tensor(keys, SCALE_JITTER)
        if self._flips_singly:
            decides = geometric.flip_draws(self.augmentation, self.draws)
            chosen = decides.tensor(keys, FLIPS)[:, 0] < 0.5
            other = geometric.flips_inverted(self.augmentation, self.draws)
            element["flip"] = tf.logical_not(chosen) if other else chosen
        return element

    def image(self, element: Element) -> tf.Tensor:
        """One example's pixels in the image format: decoded, and where a recipe says so a random part
        of them."""
        if not self.crops:
            return fit(self.split.source.image(element), self.image_format)
        part = self.split.source.crop(
            element,
            lambda size: self._box(size, element["box"]),
            colours=self.image_format.channels == 3,
        )
        image = with_channels(resized(part, self.image_format), self.image_format.channels)
        if self._flips_singly:
            upright = image
            image = tf.cond(element["flip"], lambda: tf.reverse(upright, [1]), lambda: upright)
        return tf.ensure_shape(image, self.image_format.shape)

    @property
    def finishes(self) -> bool:
        """Whether `finished` changes anything."""
        flips = bool(self.augmentation.flip) and not self._flips_singly
        return flips or self.augmentation.mixes or not self._augmenter.idle

    def finished(
        self, images: np.ndarray, labels: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A decoded batch as the network sees it."""
        augmenter = self._augmenter
        images = augmenter.images(images, keys, flipped=self._flips_singly)
        return self._mixed(augmenter, images, labels, keys)

    def taken(
        self, images: np.ndarray, rows: np.ndarray, labels: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A batch of images in memory as the network sees it; `rows` say where in `images`."""
        augmenter = self._augmenter
        return self._mixed(augmenter, augmenter.images(images, keys, rows), labels, keys)

    def shaped(self, images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A batch with its shape, which what ran in Python has lost."""
        full = len(self.order.rows) % self.order.size == 0
        count = self.order.kept.stop - self.order.kept.start if full else None
        classes = [len(self.split.classes)] if self.augmentation.mixes else []
        return (
            tf.ensure_shape(images, [count, *self.image_format.shape]),
            tf.ensure_shape(targets, [count, *classes]),
        )

    @property
    def target_type(self) -> tf.DType:
        """int32 classes, or float32 shares of them."""
        return tf.float32 if self.augmentation.mixes else tf.int32

    @property
    def _augmenter(self) -> Augmenter:
        return Augmenter(self.augmentation, self.draws, self.fill)

    @property
    def _flips_singly(self) -> bool:
        # Large images are mirrored as they are decoded, for a third of what gathering them costs.
        asked = self.augmentation
        return self.crops and bool(asked.flip) and not geometric.moves(asked)

    def _box(self, size: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        if self.augmentation.resized_crop is not None:
            return random_resized_crop_box(size, self.augmentation.resized_crop, draws)
        assert self.augmentation.scale_jitter is not None
        return scale_jitter_box(size, self.augmentation.scale_jitter, self.image_format, draws)

    def _mixed(
        self, augmenter: Augmenter, images: np.ndarray, labels: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if not self.augmentation.mixes:
            return images, labels
        images, targets = augmenter.mixed(images, labels, keys, len(self.split.classes))
        return images[self.order.kept], targets[self.order.kept]
