"""Parity of an exported file with the Keras model: differences, and checks against limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from reszoo.exporting.paired_accuracy import drop_interval, mcnemar_p
from reszoo.inference.metrics import clipped_log
from reszoo.spec.target import ParityLimits

# Probabilities below one in a million are rounding of the exponential, and so are their logarithms.
_SMALLEST_PROBABILITY = 1e-6
# One-sided 95 %: how far a drop measured on few images may be from the true one.
_CERTAINTY = 1.645
GUESSING = "better_than_guessing"
"""Name of the check that the Keras model itself does better than guessing."""
_OF_LABELS = (
    "keras_accuracy",
    "accuracy",
    "became_wrong",
    "became_right",
    "mcnemar_p",
    "accuracy_drop_interval95",
)

Arithmetic = Literal["float32", "bfloat16", "float16", "dynamic", "int8", "int16x8"]
"""Arithmetic of an exported file."""


@dataclass(frozen=True)
class Check:
    """One measured value against its limit."""

    name: str
    value: float
    limit: float
    passed: bool
    words: str


@dataclass(frozen=True)
class Comparison:
    """One exported file compared with the Keras model, image by image."""

    file: str
    """`saved_model`, `tflite` or `onnx`; for microcontrollers and NPUs also `tflite_reference` and
    `tflite_micro`."""
    arithmetic: Arithmetic
    images: int
    max_probability_difference: float
    max_log_probability_difference: float
    agreement: float
    """Share of images with the same top-1 class."""
    keras_accuracy: float | None
    accuracy: float | None
    became_wrong: int | None
    """Images that Keras classifies correctly and the file does not."""
    became_right: int | None
    """Images that the file classifies correctly and Keras does not."""
    mcnemar_p: float | None
    """p-value of McNemar's exact two-sided test for a change in accuracy."""
    accuracy_drop_interval95: tuple[float, float] | None
    """Two-sided 95 % confidence interval of the accuracy drop, as a fraction."""
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def agrees(self) -> bool:
        """Whether the file agrees with Keras, even if Keras is no better than guessing."""
        return all(check.passed for check in self.checks if check.name != GUESSING)


def compare(
    file: str,
    keras: np.ndarray,
    exported: np.ndarray,
    labels: np.ndarray | None,
    limits: ParityLimits,
    arithmetic: Arithmetic,
) -> Comparison:
    """Compares an exported file's probabilities with the Keras model's log-probabilities.

    Both have the shape `(images, classes)`. In int8 and bfloat16 single probabilities may jump, so
    agreement and accuracy are checked instead.
    """
    probabilities = np.exp(keras)
    log_difference = _log(probabilities) - _log(exported)
    values = {
        "max_probability_difference": _max_abs(probabilities - exported),
        "max_log_probability_difference": _max_abs(log_difference),
        "agreement": float(np.mean(keras.argmax(-1) == exported.argmax(-1))),
        **_accuracies(keras, exported, labels),
    }
    if arithmetic == "float32":
        checks = _float_checks(values, limits)
    else:
        checks = _low_precision_checks(values, len(keras), limits)
        if labels is not None:
            checks.append(_check_guessing(values["keras_accuracy"], labels))
    return Comparison(
        file=file, arithmetic=arithmetic, images=len(keras), checks=tuple(checks), **values
    )


def _max_abs(differences: np.ndarray) -> float:
    # A file that gives NaN differs without limit.
    return float(np.nan_to_num(np.abs(differences).max(), nan=np.inf, posinf=np.inf))


def _log(probabilities: np.ndarray) -> np.ndarray:
    return clipped_log(probabilities.astype(np.float64), _SMALLEST_PROBABILITY)


def _accuracies(
    keras: np.ndarray, exported: np.ndarray, labels: np.ndarray | None
) -> dict[str, Any]:
    if labels is None:
        return dict.fromkeys(_OF_LABELS)
    before, after = keras.argmax(-1) == labels, exported.argmax(-1) == labels
    became_wrong, became_right = int((before & ~after).sum()), int((~before & after).sum())
    return {
        "keras_accuracy": float(before.mean()),
        "accuracy": float(after.mean()),
        "became_wrong": became_wrong,
        "became_right": became_right,
        "mcnemar_p": mcnemar_p(became_wrong, became_right),
        "accuracy_drop_interval95": drop_interval(became_wrong, became_right, len(labels)),
    }


def _float_checks(values: dict[str, Any], limits: ParityLimits) -> list[Check]:
    checks = []
    for name, words in (
        ("max_probability_difference", "greatest difference of a probability"),
        ("max_log_probability_difference", "greatest difference of a log-probability"),
    ):
        value, limit = values[name], getattr(limits, name)
        checks.append(Check(name, value, limit, value <= limit, f"{words} {value:.2g}"))
    return checks


def _low_precision_checks(values: dict[str, Any], images: int, limits: ParityLimits) -> list[Check]:
    agreement, limit = values["agreement"], limits.min_agreement
    words = f"the same first class on {agreement:.2%} of {images} images"
    checks = [Check("min_agreement", agreement, limit, agreement >= limit, words)]
    if values["accuracy"] is not None:
        checks.append(_check_accuracy_drop(values, images, limits.max_accuracy_drop))
    return checks


def _check_guessing(accuracy: float, labels: np.ndarray) -> Check:
    """Checks that the Keras model is better than guessing the most frequent class.

    An untrained network may give every image the same class; its int8 or bfloat16 file then agrees
    with it, which is worth nothing.
    """
    guess = float(np.bincount(labels).max() / len(labels))
    uncertainty = _CERTAINTY * np.sqrt(accuracy * (1 - accuracy) / len(labels))
    words = (
        f"Keras is right on {accuracy:.2%}, give or take {uncertainty:.2%}, where always guessing "
        f"the most frequent class gives {guess:.2%}"
    )
    passed = bool(accuracy - uncertainty > guess)
    return Check(GUESSING, accuracy, guess, passed, words)


def _check_accuracy_drop(values: dict[str, Any], images: int, limit: float) -> Check:
    """Checks that accuracy did not fall by more than the limit beyond doubt.

    Both are measured on the same images, so that only images that changed sides count (McNemar),
    and the drop is uncertain by about the square root of their number.
    """
    drop = values["keras_accuracy"] - values["accuracy"]
    changed = values["became_wrong"] + values["became_right"]
    uncertainty = _CERTAINTY * np.sqrt(max(changed / images - drop**2, 0.0) / images)
    words = (
        f"accuracy {100 * abs(drop):.2f} points {'lower' if drop >= 0 else 'higher'}, "
        f"give or take {100 * uncertainty:.2f} "
        f"({values['became_wrong']} of {images} became wrong, {values['became_right']} right)"
    )
    return Check("max_accuracy_drop", drop, limit, bool(drop - uncertainty <= limit), words)
