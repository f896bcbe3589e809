"""What do a classifier's logits say about it? Plain arithmetic on labels and logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reszoo.spec.test_time import ONE_VIEW, Views

TOP = 5
_NORMAL_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fares. None where nothing was predicted as it, or no example is of it."""

    name: str
    examples: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a folded network compares with the canonical one in float32, image by image."""

    computes: str
    """`float32` or `bfloat16`."""
    images: int
    same: float
    """Share of images with the same first class."""
    greatest: float
    """Greatest difference of two logits."""
    largest: float
    """The largest logit, to see the difference beside."""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return {
            "computes": self.computes,
            "images": self.images,
            "same_first_class": self.same,
            "greatest_logit_difference": self.greatest,
            "largest_logit": self.largest,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a network does on one split."""

    data: str
    split: str
    examples: int
    accuracy: float
    interval: tuple[float, float]
    """95 % confidence interval of the accuracy (Wilson 1927)."""
    top5: float | None
    """Share of examples whose class is among the five likeliest; None with five classes at most."""
    loss: float
    """Mean cross-entropy, without label smoothing."""
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts: a row per true class, a column per predicted one."""
    agreement: Agreement | None = None
    """Where it was a folded network that was evaluated."""
    views: Views = ONE_VIEW
    """The views of each image whose answers were averaged."""

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {
            "data": self.data,
            "split": self.split,
            "examples": self.examples,
            "accuracy": self.accuracy,
            "interval95": list(self.interval),
            "top5": self.top5,
            "loss": self.loss,
            "views": self.views.to_dict(),
            "classes": [
                {
                    "name": one.name,
                    "examples": one.examples,
                    "precision": one.precision,
                    "recall": one.recall,
                }
                for one in self.classes
            ],
            "confusion": [list(row) for row in self.confusion],
            "agreement": self.agreement.to_dict() if self.agreement else None,
        }


def score(
    labels: np.ndarray, logits: np.ndarray, classes: Sequence[str], *, data: str, split: str
) -> Evaluation:
    """Scores logits `(examples, classes)` against integer labels `(examples,)`."""
    predicted = logits.argmax(axis=1)
    correct = int((predicted == labels).sum())
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    log_probabilities = logits_of(softmax(logits))
    return Evaluation(
        data=data,
        split=split,
        examples=len(labels),
        accuracy=correct / len(labels),
        interval=wilson_interval(correct, len(labels)),
        top5=_top(labels, logits) if len(classes) > TOP else None,
        loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        classes=_by_class(confusion, classes),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def agreement(found: np.ndarray, exact: np.ndarray, computes: str) -> Agreement:
    """Compares logits `(images, classes)` of a folded network with those of the canonical one."""
    return Agreement(
        computes=computes,
        images=len(exact),
        same=float(np.mean(found.argmax(axis=1) == exact.argmax(axis=1))),
        greatest=float(np.abs(found - exact).max()),
        largest=float(np.abs(exact).max()),
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities `(examples, classes)` in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=1, keepdims=True)


def logits_of(
    probabilities: np.ndarray, least: float = float(np.finfo(np.float64).tiny)
) -> np.ndarray:
    """Logits with these probabilities, none below the least: all but a constant, which neither a
    loss, a rank nor a softmax sees."""
    return np.log(np.maximum(probabilities, least))


def wilson_interval(correct: int, examples: int) -> tuple[float, float]:
    """The 95 % interval of a share; sound near 0 and 1, where the usual formula is not."""
    share, z_squared = correct / examples, _NORMAL_95**2
    centre = (share + z_squared / (2 * examples)) / (1 + z_squared / examples)
    spread = share * (1 - share) / examples + z_squared / (4 * examples**2)
    half = _NORMAL_95 * math.sqrt(spread) / (1 + z_squared / examples)
    return max(0.0, centre - half), min(1.0, centre + half)


def likeliest(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest of each row, largest first; of equals the first class."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def _top(labels: np.ndarray, logits: np.ndarray) -> float:
    return float((likeliest(logits, TOP) == labels[:, None]).any(axis=1).mean())


def _by_class(confusion: np.ndarray, classes: Sequence[str]) -> tuple[ClassScore, ...]:
    right = confusion.diagonal()
    examples, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassScore(
            name=name,
            examples=int(examples[index]),
            precision=_share(right[index], predicted[index]),
            recall=_share(right[index], examples[index]),
        )
        for index, name in enumerate(classes)
    )


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
