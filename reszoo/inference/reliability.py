"""Calibration of probabilities, and the mistakes of which a network was most certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
"""As in Guo 2017, "On Calibration of Modern Neural Networks"."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The images whose highest probability lies in one interval of a reliability diagram."""

    low: float
    high: float
    examples: int
    confidence: float | None
    """Mean highest probability; None of an empty bin."""
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that a network put into a wrong class."""

    index: int
    """Position in the split."""
    label: int
    predicted: int
    confidence: float
    """Probability of the predicted class."""
    path: str | None = None
    """The file of the image; None of data that are not files."""
    png: bytes | None = None
    """The image, with sides of at most 64 pixels; None after the first 25 mistakes."""


def calibration_bins(correct: np.ndarray, confidence: np.ndarray) -> tuple[CalibrationBin, ...]:
    """Returns `BINS` equally wide bins of confidence.

    Args:
      correct: whether the predicted class is the true one, shape `(images,)`.
      confidence: probability of the predicted class, shape `(images,)`.
    """
    numbers = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = []
    for number in range(BINS):
        members = numbers == number
        count = int(members.sum())
        bins.append(
            CalibrationBin(
                low=number / BINS,
                high=(number + 1) / BINS,
                examples=count,
                confidence=float(confidence[members].mean()) if count else None,
                accuracy=float(correct[members].mean()) if count else None,
            )
        )
    return tuple(bins)


def ranked_mistakes(
    labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray
) -> tuple[Mistake, ...]:
    """Returns all mistakes, most confident first; arguments have the shape `(images,)`.

    Images with a hidden label (-1) are no mistakes.
    """
    (wrong,) = np.nonzero((predicted != labels) & (labels >= 0))
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return tuple(
        Mistake(int(index), int(labels[index]), int(predicted[index]), float(confidence[index]))
        for index in order
    )
