"""The TensorFlow Datasets builder of scikit-learn's digits: 1,437 training and 360 test images.

8x8 grey images (Alpaydin and Kaynak 1998) with values 0..16, scaled to 0..255. The test split is
stratified, with a fixed seed. No network is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reszoo.data.dataset import numbered_classes
from reszoo.data.sources.cache import LocalDatasetInfo
from reszoo.data.splits import stratified_holdout

CLASSES = numbered_classes(10)
_EXAMPLES = 1797
_TEST_EXAMPLES = 360
_SEED = 0


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
        # Lazily: scikit-learn takes a second to import.
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        kept, held_out = stratified_holdout(digits.target, _TEST_EXAMPLES / _EXAMPLES, _SEED)
        return {
            "train": self._generate_examples(images, digits.target, kept),
            "test": self._generate_examples(images, digits.target, held_out),
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in indices:
            yield int(index), {"image": images[index], "label": int(labels[index])}
