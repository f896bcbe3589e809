"""Images in memory: NumPy arrays and `tf.data` datasets as a source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from reszoo.data.images.decoding import SixteenBit
from reszoo.data.images.tensor_decoding import crop_to_box
from reszoo.data.source import Element
from reszoo.data.sources.array_values import (
    EXPECTED_IMAGES,
    image_array,
    label_array,
    require_range,
    to_images,
    to_labels,
    to_uint8,
)
from reszoo.data.tfdata_options import without_autotuning
from reszoo.errors import UserError

MAX_BYTES = 4 << 30
"""Maximum size of the pixels of a `tf.data.Dataset`, which is read into memory."""


class ArraySource:
    """Images in memory: one uint8 array, or a list of uint8 images of different sizes."""

    def __init__(self, images: np.ndarray | Sequence[np.ndarray], labels: np.ndarray) -> None:
        self._images = images
        self._labels = labels.astype(np.int32)
        self.channels = max((int(image.shape[-1]) for image in images[:1]), default=0)

    @classmethod
    def concatenate(cls, parts: Sequence[ArraySource]) -> ArraySource:
        """Concatenates several sources."""
        if len(parts) == 1:
            return parts[0]
        if len({part.channels for part in parts}) > 1:
            raise UserError(
                "the images of the splits differ in channels",
                hint="give both the same number: np.repeat(images, 3, axis=-1) makes 3 of 1",
            )
        labels = np.concatenate([part.labels for part in parts])
        arrays = [part._images for part in parts if isinstance(part._images, np.ndarray)]
        if len(arrays) == len(parts) and len({array.shape[1:] for array in arrays}) == 1:
            return cls(np.concatenate(arrays), labels)
        return cls([image for part in parts for image in part._images], labels)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> np.ndarray:
        """Class of each image, int32."""
        return self._labels

    def renumbered(self, numbers: Sequence[int]) -> ArraySource:
        """Returns the source with another number for each class."""
        return ArraySource(self._images, np.asarray(numbers)[self._labels])

    def digests(self) -> list[bytes]:
        """Returns a hash of the pixels of each image."""
        return [
            hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest()
            for image in self._images
        ]

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each image, shape (images, 2)."""
        if isinstance(self._images, np.ndarray):
            return np.broadcast_to(np.array(self._images.shape[1:3]), (len(self), 2))
        return np.array([image.shape[:2] for image in self._images]).reshape(-1, 2)

    def paths(self, indices: np.ndarray) -> None:
        """Returns None: images in memory have no files."""

    def in_memory_array(self, shape: tuple[int, int, int]) -> np.ndarray | None:
        """Returns the array itself if its images have the shape."""
        images = self._images
        return images if isinstance(images, np.ndarray) and images.shape[1:] == shape else None

    def load(self, indices: tf.Tensor) -> Element:
        """Returns pixels as bytes with their shapes, so that images of any size share an axis."""
        pixels, shapes, labels = tf.numpy_function(
            self._gather, [indices], [tf.string, tf.int64, tf.int32]
        )
        return {
            "pixels": tf.ensure_shape(pixels, [None]),
            "shape": tf.ensure_shape(shapes, [None, 3]),
            "label": tf.ensure_shape(labels, [None]),
        }

    def image(self, element: Element, sixteen_bit: SixteenBit = None) -> tf.Tensor:
        """Returns one example's pixels."""
        del sixteen_bit
        image = tf.reshape(tf.io.decode_raw(element["pixels"], tf.uint8), element["shape"])
        return tf.ensure_shape(image, [None, None, self.channels])

    def crop(
        self,
        element: Element,
        box: Callable[[tf.Tensor], tf.Tensor],
        *,
        colours: bool,
        sixteen_bit: SixteenBit = None,
    ) -> tf.Tensor:
        """Returns a part of one example's pixels."""
        del colours, sixteen_bit
        image = self.image(element)
        return crop_to_box(image, box(tf.shape(image)[:2]))

    def remote_reader(self, indices: np.ndarray) -> None:
        """Returns None: only this process has the images."""

    def _gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pixels = np.empty(len(indices), object)
        pixels[:] = [self._images[index].tobytes() for index in indices]
        shapes = np.array([self._images[index].shape for index in indices], np.int64)
        return pixels, shapes, self._labels[indices]


def from_arrays(images: Any, labels: Any, where: str) -> tuple[ArraySource, tuple[str, ...] | None]:
    """Returns a source of a pair `(x, y)`, and the class names if the labels are strings.

    Raises:
      UserError: the shapes, lengths or values are not those of labelled images.
    """
    pixels = to_images(image_array(images, where), where)
    numbers, names = to_labels(label_array(labels, where), where)
    if len(pixels) != len(numbers):
        found = f"{len(pixels)} images, {len(numbers)} labels"
        raise UserError(
            "images and labels differ in number",
            where=where,
            found=found,
            hint="pass one label for each image, in the same order",
        )
    if not len(pixels):
        raise UserError(
            "no images",
            where=where,
            expected=EXPECTED_IMAGES,
            hint="pass at least one image for each class",
        )
    return ArraySource(pixels, numbers), names


def from_dataset(
    dataset: tf.data.Dataset, where: str
) -> tuple[ArraySource, tuple[str, ...] | None]:
    """Returns a source of a dataset of (image, label), and the class names as `from_arrays`.

    Raises:
      UserError: the elements are not labelled images, or the dataset is empty, infinite or too
        large for memory.
    """
    spec = dataset.element_spec
    if isinstance(spec, dict) and {"image", "label"} <= set(spec):
        dataset = dataset.map(lambda element: (element["image"], element["label"]))
        spec = dataset.element_spec
    pair = isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], tf.TensorSpec)
    if not pair or spec[0].shape.rank not in (3, 4):
        raise UserError(
            "the dataset's elements are not labelled images",
            where=where,
            expected="(image, label), image of shape (height, width, channels), batched or not",
            found=str(spec),
            hint="map it: dataset.map(lambda element: (element[IMAGE], element[LABEL]))",
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UserError("the dataset never ends", where=where, hint="remove repeat()")
    if spec[0].shape.rank == 4:
        dataset = dataset.unbatch()
    images, labels, size = [], [], 0
    for image, label in without_autotuning(dataset).as_numpy_iterator():
        images.append(image)
        labels.append(np.asarray(label))
        size += image.nbytes
        if size > MAX_BYTES:
            raise UserError(
                f"the dataset is too large to be read into memory (over {MAX_BYTES >> 30} GiB)",
                where=where,
                hint="save it as a folder of images, or as a TensorFlow Datasets builder",
            )
    if not images:
        raise UserError(
            "the dataset is empty",
            where=where,
            hint="pass a dataset that yields at least one image for each class",
        )
    if len({image.shape[-1] for image in images}) > 1:
        raise UserError(
            "the images differ in channels",
            where=where,
            hint="give all the same number: tf.image.grayscale_to_rgb makes 3 of 1",
        )
    numbers, names = to_labels(np.stack(labels), where)
    if len({image.shape for image in images}) == 1:
        return ArraySource(to_images(np.stack(images), where), numbers), names
    require_range(images, where)
    return ArraySource([to_uint8(image) for image in images], numbers), names
