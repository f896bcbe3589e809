"""The TensorFlow Datasets builder of scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reszoo.data.sources.cache import LocalDatasetInfo
from reszoo.data.sources.digits.digits import CLASSES, load_digits


class DigitsBuilder(tfds.core.GeneratorBasedBuilder):
    """Prepares the digits of the installed scikit-learn."""

    VERSION = tfds.core.Version("1.0.0")
    name = "digits"

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                "label": tfds.features.ClassLabel(names=list(CLASSES)),
            }
        )
        return LocalDatasetInfo(
            builder=self,
            description="Optical recognition of handwritten digits, from scikit-learn.",
            features=features,
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded.
        images, labels, splits = load_digits()
        return {
            split: self._generate_examples(images, labels, indices)
            for split, indices in splits.items()
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in indices:
            yield int(index), {"image": images[index], "label": int(labels[index])}
