"""Validation of int8 calibration images: noise and blank images are refused."""

from __future__ import annotations

import numpy as np

from reszoo.errors import UserError

_MIN_CORRELATION = 0.1
_MIN_PAIRS = 1000


def refuse_noise(images: np.ndarray) -> None:
    """Raises if no camera, scanner or pen made these images `(images, height, width, channels)`.

    Neighbouring pixels of pictures are correlated, those of noise are not. The correlation of each
    pixel with its right and its lower neighbour, over all images, is above 0.1 for pictures
    (photographs 0.9 and more, the 8x8 digits 0.4), and within 0.1 of zero for independent pixels
    once there are a thousand pairs. Images of one colour each have no contrast at all. A network
    calibrated on noise has ranges that real images exceed; ResNet-50 was seen to agree with Keras
    on none of them.

    Raises:
      UserError: the images are noise, or each is of a single colour.
    """
    if max(images.shape[1:3]) == 1:
        return
    if not np.ptp(images, axis=(1, 2)).any():
        raise _refusal("every image is of one colour")
    pixels, neighbours = _neighbour_pairs(images.astype(np.float32))
    if len(pixels) < _MIN_PAIRS:
        return
    correlation = float(np.corrcoef(pixels, neighbours)[0, 1])
    if correlation < _MIN_CORRELATION:
        raise _refusal(
            f"neighbouring pixels are unrelated (correlation {correlation:.2f}), as in noise"
        )


def _neighbour_pairs(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs each pixel with its right and its lower neighbour, centred per channel."""
    centred = images - images.mean(axis=(0, 1, 2), keepdims=True)
    pixels = np.concatenate([centred[:, :, :-1].ravel(), centred[:, :-1].ravel()])
    neighbours = np.concatenate([centred[:, :, 1:].ravel(), centred[:, 1:].ravel()])
    return pixels, neighbours


def _refusal(found: str) -> UserError:
    return UserError(
        "these images cannot calibrate an int8 network",
        expected="training images like those the device will see",
        found=found,
        hint="pass the data the network was trained on with --data",
    )
