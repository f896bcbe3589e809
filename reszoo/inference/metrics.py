"""Classification metrics from labels and logits."""

from __future__ import annotations

from collections.abc import Sequence
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
    confusion: tuple[tuple[int, ...], ...]
    """Confusion matrix: a row per true class, a column per predicted class."""
    agreement: Agreement | None = None
    """Set where a folded network was evaluated."""
    views: Views = ONE_VIEW
    """Views averaged by test-time augmentation."""
    calibration: tuple[CalibrationBin, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    """All mistakes, most confident first; the first 25 have pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
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
            "confusion": [list(row) for row in self.confusion],
            "agreement": self.agreement.to_dict() if self.agreement else None,
        }


def score(
    labels: np.ndarray, logits: np.ndarray, classes: Sequence[str], *, data: str, split: str
) -> Evaluation:
    """Computes the metrics of logits `(examples, classes)` for integer labels `(examples,)`."""
    predicted = logits.argmax(axis=1)
    correct = int((predicted == labels).sum())
    # scikit-learn's confusion_matrix raises for a test split that hides its labels behind -1.
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    # Clipped, so that a class whose probability underflows keeps the loss finite.
    probabilities = softmax(logits)
    log_probabilities = clipped_log(probabilities)
    return Evaluation(
        data=data,
        split=split,
        examples=len(labels),
        accuracy=correct / len(labels),
        interval=wilson_interval(correct, len(labels)),
        top5=float((top_k(logits, TOP_K) == labels[:, None]).any(axis=1).mean())
        if len(classes) > TOP_K
        else None,
        loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        classes=_class_scores(confusion, classes),
        confusion=tuple(map(tuple, confusion.tolist())),
        calibration=calibration_bins(labels, probabilities),
        mistakes=ranked_mistakes(labels, probabilities),
    )


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
    """Returns the 95 % Wilson score interval of a proportion; it holds near 0 and 1 as well."""
    from scipy.stats import binomtest

    interval = binomtest(correct, examples).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Returns the indices of the `k` largest scores of each row, largest first.

    Ties go to the first class, as in argmax; scikit-learn's `top_k_accuracy_score` prefers the
    last.
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def _class_scores(confusion: np.ndarray, classes: Sequence[str]) -> tuple[ClassScore, ...]:
    columns = (confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))
    rows = zip(classes, *(column.tolist() for column in columns), strict=True)
    return tuple(
        ClassScore(name, examples, _ratio(correct, predicted), _ratio(correct, examples))
        for name, correct, examples, predicted in rows
    )


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
