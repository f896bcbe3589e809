"""Classification metrics from labels and logits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reszoo.inference.reliability import (
    CalibrationBin,
    Mistake,
    calibration_bins,
    ranked_mistakes,
)
from reszoo.spec.test_time import ONE_VIEW, Views

TOP_K = 5
MATRIX_CLASSES = 300
"""Classes up to which JSON has the whole confusion matrix; of more, the counts that are not 0."""
_BLOCK = 1 << 20
"""Logits whose probabilities are in memory at a time."""
QUANTILE_95 = 1.959963984540054
"""97.5th percentile of the standard normal distribution, for two-sided intervals of 95 %."""
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision and recall of one class; None where the denominator is 0."""

    name: str
    examples: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a folded network with the canonical float32 network, image by image."""

    computes: str
    """`float32` or `bfloat16`."""
    images: int
    same_class: float
    """Share of images with the same top-1 class."""
    max_difference: float
    """Largest absolute difference of two logits."""
    max_logit: float
    """Largest absolute logit of the canonical network, for scale."""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "computes": self.computes,
            "images": self.images,
            "same_first_class": self.same_class,
            "greatest_logit_difference": self.max_difference,
            "largest_logit": self.max_logit,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a network on one split."""

    data: str
    split: str
    examples: int
    accuracy: float
    interval: tuple[float, float]
    """95 % confidence interval of the accuracy (Wilson 1927)."""
    top5: float | None
    """Top-5 accuracy; None for five classes or fewer."""
    loss: float
    """Mean cross-entropy, without label smoothing."""
    classes: tuple[ClassScore, ...]
    confusion: Mapping[tuple[int, int], int]
    """Numbers of images by true and predicted class; pairs that never occur are left out."""
    agreement: Agreement | None = None
    """Set where a folded network was evaluated."""
    views: Views = ONE_VIEW
    """Views averaged by test-time augmentation."""
    calibration: tuple[CalibrationBin, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    """All mistakes, most confident first; the first 25 have pictures."""

    def confusion_matrix(self) -> np.ndarray:
        """Returns int64 `(classes, classes)`: a row per true class, a column per predicted one."""
        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        for cell, count in self.confusion.items():
            matrix[cell] = count
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON.

        `confusion` is the matrix, or, for more than `MATRIX_CLASSES` classes, null;
        `confusion_counts` then has triples of true class, predicted class and count.
        """
        small = len(self.classes) <= MATRIX_CLASSES
        counts = [[true, guess, count] for (true, guess), count in self.confusion.items()]
        return {
            "data": self.data,
            "split": self.split,
            "examples": self.examples,
            "accuracy": self.accuracy,
            "interval95": list(self.interval),
            "top5": self.top5,
            "loss": self.loss,
            "views": self.views.to_dict(),
            "classes": [asdict(score) for score in self.classes],
            "confusion": self.confusion_matrix().tolist() if small else None,
            **({} if small else {"confusion_counts": counts}),
            "agreement": self.agreement.to_dict() if self.agreement else None,
        }


def score(
    labels: np.ndarray, logits: np.ndarray, classes: Sequence[str], *, data: str, split: str
) -> Evaluation:
    """Computes the metrics of logits `(examples, classes)` for integer labels `(examples,)`."""
    predicted = logits.argmax(axis=1)
    correct = predicted == labels
    right = int(correct.sum())
    confusion = _confusion(labels, predicted, len(classes))
    blocks = [_score_block(labels[rows], logits[rows]) for rows in _row_blocks(logits)]
    confidence, losses, in_top = map(np.concatenate, zip(*blocks, strict=True))
    return Evaluation(
        data=data,
        split=split,
        examples=len(labels),
        accuracy=right / len(labels),
        interval=wilson_interval(right, len(labels)),
        top5=float(in_top.mean()) if len(classes) > TOP_K else None,
        loss=float(losses.mean()),
        classes=_class_scores(confusion, classes),
        confusion=confusion,
        calibration=calibration_bins(correct, confidence),
        mistakes=ranked_mistakes(labels, predicted, confidence),
    )


def _row_blocks(logits: np.ndarray) -> Iterator[slice]:
    count, classes = logits.shape
    rows = max(1, _BLOCK // classes)
    return (slice(first, first + rows) for first in range(0, count, rows))


def _score_block(
    labels: np.ndarray, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the highest probability, the cross-entropy, and whether the label is in the top 5."""
    probabilities, rows = softmax(logits), np.arange(len(labels))
    # Clipped, so that a class whose probability underflows keeps the loss finite.
    losses = -clipped_log(probabilities[rows, labels])
    own = logits[rows, labels][:, None]
    # As in argmax, the first of equal classes ranks first.
    first = np.arange(logits.shape[1]) < labels[:, None]
    rank = ((logits > own) | ((logits == own) & first)).sum(axis=1)
    return probabilities.max(axis=1), losses, (rank < TOP_K) & (labels >= 0)


def _confusion(
    labels: np.ndarray, predicted: np.ndarray, classes: int
) -> dict[tuple[int, int], int]:
    """Counts the pairs of true and predicted class; hidden labels (-1) count as the last class."""
    pairs, counts = np.unique((labels % classes) * classes + predicted, return_counts=True)
    cells = zip((pairs // classes).tolist(), (pairs % classes).tolist(), strict=True)
    return dict(zip(cells, counts.tolist(), strict=True))


def agreement(folded: np.ndarray, canonical: np.ndarray, computes: str) -> Agreement:
    """Compares logits `(images, classes)` of a folded network with the canonical network's."""
    return Agreement(
        computes=computes,
        images=len(canonical),
        same_class=float(np.mean(folded.argmax(axis=1) == canonical.argmax(axis=1))),
        max_difference=float(np.abs(folded - canonical).max()),
        max_logit=float(np.abs(canonical).max()),
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities over the last axis, in float64."""
    from scipy import special

    return special.softmax(logits.astype(np.float64), axis=-1)


def clipped_log(probabilities: np.ndarray, smallest: float = _TINY) -> np.ndarray:
    """Returns the logarithms of probabilities, none of them counted as less than `smallest`.

    The result serves as logits: it equals them but for a constant per row.
    """
    return np.log(np.maximum(probabilities, smallest))


def wilson_interval(correct: int, examples: int) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of a proportion; it holds near 0 and 1 as well.

    Newcombe 1998, method 3. `scipy.stats.binomtest` computes the same numbers, but importing
    `scipy.stats` takes 0.4 of the 5 CPU seconds of a short training.
    """
    share = correct / examples
    doubled = 2 * (examples + QUANTILE_95**2)
    center = (2 * examples * share + QUANTILE_95**2) / doubled
    width = QUANTILE_95 / doubled * math.sqrt(4 * examples * share * (1 - share) + QUANTILE_95**2)
    low = center - width if correct > 0 else 0.0
    high = center + width if correct < examples else 1.0
    return low, high


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Returns the indices of the `k` largest scores of each row, largest first.

    Ties go to the first class, as in argmax; scikit-learn's `top_k_accuracy_score` prefers the
    last.
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def _class_scores(
    confusion: Mapping[tuple[int, int], int], classes: Sequence[str]
) -> tuple[ClassScore, ...]:
    examples, guesses = [0] * len(classes), [0] * len(classes)
    for (true, guess), count in confusion.items():
        examples[true] += count
        guesses[guess] += count
    correct = [confusion.get((index, index), 0) for index in range(len(classes))]
    rows = zip(classes, correct, examples, guesses, strict=True)
    return tuple(
        ClassScore(name, number, _ratio(right, guessed), _ratio(right, number))
        for name, right, number, guessed in rows
    )


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
