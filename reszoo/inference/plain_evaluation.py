"""Logits of a `.tflite` classifier for image files, without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import cast

import numpy as np

from reszoo.data import ImageFormat, Split
from reszoo.data.sources.folder.broken_files import BrokenFile, broken_files_error
from reszoo.data.sources.plain_files import Image
from reszoo.errors import UserError
from reszoo.inference.predict import batch_size_for
from reszoo.inference.tflite_classifier import TFLiteClassifier
from reszoo.inference.tta import tta_formats, tta_logits
from reszoo.spec.test_time import Views


def plain_logits(
    classify: Callable[[np.ndarray], np.ndarray],
    classifier: TFLiteClassifier,
    split: Split,
    views: Views,
    skip_bad_images: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits `(images, classes)` of a split of plain files, and which it could read.

    Args:
      classify: maps images of the classifier's format to logits.
      classifier: the network, with its image format.
      split: of `open_plain_files`.
      views: test-time augmentation.
      skip_bad_images: leave out files that cannot be read.

    Returns:
      Logits of the readable images, and the positions of these in the split.

    Raises:
      UserError: files of the split cannot be read and are not skipped, or all are.
    """
    formats = tta_formats(views, classifier.image_format)
    size = batch_size_for(classifier.image_format)
    logits: list[np.ndarray] = []
    positions: list[int] = []
    broken: list[BrokenFile] = []
    load = partial(_load, split, classifier, formats)
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(split), size):
            indices = range(start, min(start + size, len(split)))
            loaded = list(pool.map(load, indices))
            broken += [image for image in loaded if isinstance(image, BrokenFile)]
            readable = [image for image in loaded if not isinstance(image, BrokenFile)]
            if not readable or (broken and not skip_bad_images):
                continue  # The files that follow are still checked, to name all that are broken.
            crops = (np.stack(crop) for crop in zip(*readable, strict=True))
            logits.append(tta_logits(views, classify, crops))
            positions += [
                index
                for index, image in zip(indices, loaded, strict=True)
                if not isinstance(image, BrokenFile)
            ]
    if broken and not skip_bad_images:
        raise broken_files_error(broken, len(split), f"split {split.name}")
    if not logits:
        raise UserError(
            f"no readable images in the split '{split.name}'",
            found=str(broken[0]),
            hint="replace the broken images by intact JPEG or PNG files",
        )
    return np.concatenate(logits), np.array(positions, np.int64)


def _load(
    split: Split, classifier: TFLiteClassifier, formats: tuple[ImageFormat, ...], index: int
) -> tuple[np.ndarray, ...] | BrokenFile:
    """Reads an image and returns it in each format."""
    sixteen_bit = classifier.image_format.sixteen_bit
    read = cast("Callable[..., Image]", split.source.read)  # type: ignore[attr-defined]
    image = read(int(split.indices[index]), sixteen_bit)
    if isinstance(image, BrokenFile):
        return image
    return tuple(classifier.resize(image, image_format) for image_format in formats)
