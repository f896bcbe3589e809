"""scikit-learn's digits as arrays: 1,437 training and 360 test images.

8x8 grey images (Alpaydin and Kaynak 1998) with values 0..16, scaled to 0..255. The test split is
stratified, with a fixed seed. No network is needed.
"""

from __future__ import annotations

import numpy as np

from reszoo.data.dataset import numbered_classes
from reszoo.data.splits import stratified_holdout

CLASSES = numbered_classes(10)
_EXAMPLES = 1797
_TEST_EXAMPLES = 360
_SEED = 0


def load_digits() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Returns the images, their labels, and the indices of the splits `train` and `test`.

    Images are uint8 `(1797, 8, 8, 1)`, labels int32 `(1797,)`.
    """
    # Lazily: scikit-learn takes a second to import.
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int32)
    train, test = stratified_holdout(labels, _TEST_EXAMPLES / _EXAMPLES, _SEED)
    return images, labels, {"train": train, "test": test}
