"""Can these images calibrate an int8 network? Noise and blank images cannot."""

from __future__ import annotations

import numpy as np

from reszoo.errors import UserError

_LEAST_RELATED = 0.1
_FEWEST_PAIRS = 1000


def refuse_noise(images: np.ndarray) -> None:
    """Refuses images that no camera, scanner or pen makes.

    The rule: in pictures neighbouring pixels go together, in noise they do not. The correlation of
    each pixel with its right and its lower neighbour, over all images, is above 0.1 in pictures
    (photographs 0.9 and more, the 8x8 digits 0.4) and within 0.1 of zero for independent pixels
    once a thousand pairs are counted. Images of one colour each have no contrast at all. A network
    calibrated on noise has ranges that real images leave; ResNet-50 was seen to agree with Keras
    on none of them.

    Args:
      images: (n, height, width, channels).

    Raises:
      UserError: the images are noise or constant.
    """
    if max(images.shape[1:3]) == 1:
        return
    if not np.ptp(images, axis=(1, 2)).any():
        raise _refusal("every image is of one colour")
    first, second = _neighbours(images.astype(np.float32))
    if len(first) < _FEWEST_PAIRS:
        return
    related = float(np.corrcoef(first, second)[0, 1])
    if related < _LEAST_RELATED:
        raise _refusal(
            f"neighbouring pixels are unrelated (correlation {related:.2f}), as in noise"
        )


def _neighbours(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel beside its right and its lower neighbour, about the mean of its channel."""
    centred = images - images.mean(axis=(0, 1, 2), keepdims=True)
    first = np.concatenate([centred[:, :, :-1].ravel(), centred[:, :-1].ravel()])
    second = np.concatenate([centred[:, :, 1:].ravel(), centred[:, 1:].ravel()])
    return first, second


def _refusal(found: str) -> UserError:
    return UserError(
        "these images cannot calibrate an int8 network",
        expected="training images like those the device will see",
        found=found,
        hint="pass the data the network was trained on with --data",
    )
