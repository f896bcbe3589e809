"""Does an exported file say what the Keras model says? The numbers and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from reszoo.spec.target import ParityLimits

# Probabilities below one in a million are noise of the exponential; their logarithms say nothing.
_LEAST_PROBABILITY = 1e-6
# One-sided 95 %: how far a drop measured on few images may be from the true one.
_CERTAINTY = 1.645
_GUESSING = "better_than_guessing"

Arithmetic = Literal["float32", "bfloat16", "int8"]
"""What a file computes in."""


@dataclass(frozen=True)
class Check:
    """One number, its limit, and whether it kept it."""

    name: str
    value: float
    limit: float
    passed: bool
    words: str


@dataclass(frozen=True)
class Comparison:
    """One exported file against the Keras model, image by image."""

    file: str
    """`saved_model` or `tflite`."""
    arithmetic: Arithmetic
    images: int
    max_probability_difference: float
    max_log_probability_difference: float
    agreement: float
    """Share of images with the same first class."""
    keras_accuracy: float | None
    accuracy: float | None
    became_wrong: int | None
    """Images that Keras gets right and the file wrong."""
    became_right: int | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every limit was kept."""
        return all(check.passed for check in self.checks)

    @property
    def agrees(self) -> bool:
        """Whether the file says what Keras says, whatever that is worth."""
        return all(check.passed for check in self.checks if check.name != _GUESSING)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "checks": [asdict(check) for check in self.checks]}


def compare(
    file: str,
    keras: np.ndarray,
    exported: np.ndarray,
    labels: np.ndarray | None,
    gate: ParityLimits,
    arithmetic: Arithmetic,
) -> Comparison:
    """The comparison of one file.

    Args:
      file: `saved_model` or `tflite`.
      keras: logarithms of the Keras model's probabilities, (n, classes).
      exported: probabilities that the file gives, (n, classes).
      labels: the true classes, (n,), where they are known.
      gate: the limits.
      arithmetic: what the file computes in. In int8 and bfloat16 single probabilities may jump,
        and agreement and accuracy are what counts.
    """
    numbers = {
        "max_probability_difference": _greatest(np.exp(keras) - exported),
        "max_log_probability_difference": _greatest(
            _logarithm(np.exp(keras)) - _logarithm(exported)
        ),
        "agreement": float(np.mean(keras.argmax(-1) == exported.argmax(-1))),
        **_accuracies(keras, exported, labels),
    }
    if arithmetic == "float32":
        checks = _exact_checks(numbers, gate)
    else:
        checks = _coarse_checks(numbers, len(keras), gate)
        if labels is not None:
            checks.append(_better_than_guessing(numbers["keras_accuracy"], labels))
    return Comparison(
        file=file,
        arithmetic=arithmetic,
        images=len(keras),
        checks=tuple(checks),
        **numbers,
    )


def _greatest(differences: np.ndarray) -> float:
    # A file that gives NaN disagrees without limit.
    return float(np.nan_to_num(np.abs(differences).max(), nan=np.inf, posinf=np.inf))


def _logarithm(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))


def _accuracies(
    keras: np.ndarray, exported: np.ndarray, labels: np.ndarray | None
) -> dict[str, Any]:
    if labels is None:
        names = ("keras_accuracy", "accuracy", "became_wrong", "became_right")
        return dict.fromkeys(names)
    before, after = keras.argmax(-1) == labels, exported.argmax(-1) == labels
    return {
        "keras_accuracy": float(before.mean()),
        "accuracy": float(after.mean()),
        "became_wrong": int((before & ~after).sum()),
        "became_right": int((~before & after).sum()),
    }


def _exact_checks(numbers: dict[str, Any], gate: ParityLimits) -> list[Check]:
    checks = []
    for name, words in (
        ("max_probability_difference", "greatest difference of a probability"),
        ("max_log_probability_difference", "greatest difference of a log-probability"),
    ):
        value, limit = numbers[name], getattr(gate, name)
        checks.append(Check(name, value, limit, value <= limit, f"{words} {value:.2g}"))
    return checks


def _coarse_checks(numbers: dict[str, Any], images: int, gate: ParityLimits) -> list[Check]:
    agreement = numbers["agreement"]
    checks = [
        Check(
            "min_agreement",
            agreement,
            gate.min_agreement,
            agreement >= gate.min_agreement,
            f"the same first class on {agreement:.2%} of {images} images",
        )
    ]
    if numbers["accuracy"] is not None:
        checks.append(_drop(numbers, images, gate.max_accuracy_drop))
    return checks


def _better_than_guessing(accuracy: float, labels: np.ndarray) -> Check:
    """Whether the Keras model knows more than which class is the most frequent.

    An untrained network may give every image the same class; its int8 or bfloat16 file then agrees,
    and that says nothing.
    """
    guess = float(np.bincount(labels).max() / len(labels))
    uncertainty = _CERTAINTY * np.sqrt(accuracy * (1 - accuracy) / len(labels))
    words = (
        f"Keras is right on {accuracy:.2%}, give or take {uncertainty:.2%}, where always guessing "
        f"the most frequent class gives {guess:.2%}"
    )
    passed = bool(accuracy - uncertainty > guess)
    return Check(_GUESSING, accuracy, guess, passed, words)


def _drop(numbers: dict[str, Any], images: int, limit: float) -> Check:
    """Whether accuracy surely fell by more than the limit.

    The two are judged on the same images, so only images that changed sides count (McNemar), and
    the drop is uncertain by about the square root of their number.
    """
    drop = numbers["keras_accuracy"] - numbers["accuracy"]
    changed = numbers["became_wrong"] + numbers["became_right"]
    uncertainty = _CERTAINTY * np.sqrt(max(changed / images - drop**2, 0.0) / images)
    words = (
        f"accuracy {100 * abs(drop):.2f} points {'lower' if drop >= 0 else 'higher'}, "
        f"give or take {100 * uncertainty:.2f} "
        f"({numbers['became_wrong']} of {images} became wrong, {numbers['became_right']} right)"
    )
    return Check("max_accuracy_drop", drop, limit, bool(drop - uncertainty <= limit), words)
