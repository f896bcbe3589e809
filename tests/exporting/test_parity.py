"""Arithmetic of the parity checks."""

from __future__ import annotations

import numpy as np
import pytest

from reszoo.exporting.parity import compare
from reszoo.spec.target import ParityLimits


def certain(classes: list[int], count: int = 3) -> np.ndarray:
    """Probabilities 0.9 for the named class, the rest shared."""
    probabilities = np.full((len(classes), count), 0.1 / (count - 1))
    probabilities[np.arange(len(classes)), classes] = 0.9
    return probabilities


def wrong_on(count: int, labels: np.ndarray) -> np.ndarray:
    """Probabilities that are right on all but the first `count` images."""
    return certain([2] * count + list(labels[count:]))


def test_equal_files_pass_with_no_difference() -> None:
    same = certain([0, 1, 2])
    comparison = compare("saved_model", np.log(same), same, None, ParityLimits(), "float32")
    assert comparison.passed
    assert comparison.agreement == 1.0
    assert comparison.max_probability_difference == pytest.approx(0, abs=1e-15)
    assert comparison.accuracy is None


@pytest.mark.parametrize(
    ("shift", "failing"),
    [
        (2e-5, {"max_probability_difference"}),
        # 0.9 -> 0.901: ln(0.901 / 0.9) = 0.0011
        (1e-3, {"max_probability_difference", "max_log_probability_difference"}),
    ],
)
def test_float_limits(shift: float, failing: set[str]) -> None:
    keras = np.array([[0.9, 0.1]])
    comparison = compare(
        "tflite",
        np.log(keras),
        keras + np.array([shift, -shift / 100]),
        None,
        ParityLimits(),
        "float32",
    )
    assert {check.name for check in comparison.checks if not check.passed} == failing


def test_not_a_number_fails() -> None:
    keras = certain([0, 1])
    exported = keras.copy()
    exported[1, 1] = np.nan
    assert not compare("tflite", np.log(keras), exported, None, ParityLimits(), "float32").passed


def test_tiny_probabilities_are_not_compared_by_their_logarithm() -> None:
    keras, exported = np.array([[1.0, 1e-30]]), np.array([[1.0, 0.0]])
    assert compare("tflite", np.log(keras), exported, None, ParityLimits(), "float32").passed


def test_int8_of_a_network_that_guesses_fails() -> None:
    # 60 of 100 are class 0; always saying 0 is right on 60 %.
    labels = np.array([0] * 60 + [1] * 40)
    guessing = certain([0] * 100)
    comparison = compare("tflite", np.log(guessing), guessing, labels, ParityLimits(), "int8")
    assert [check.name for check in comparison.checks if not check.passed] == [
        "better_than_guessing"
    ]
    # Right on 80 %, give or take 1.645 * sqrt(0.8 * 0.2 / 100) = 6.6 %.
    knowing = certain([0] * 60 + [1] * 20 + [0] * 20)
    assert compare("tflite", np.log(knowing), knowing, labels, ParityLimits(), "int8").passed


def test_int8_counts_agreement_and_what_changed_sides() -> None:
    labels = np.array([0] * 50 + [1] * 50)
    keras = certain([0] * 46 + [1] * 54)
    exported = certain([0] * 44 + [1] * 2 + [0] + [1] * 53)
    comparison = compare("tflite", np.log(keras), exported, labels, ParityLimits(), "int8")
    assert (comparison.became_wrong, comparison.became_right) == (2, 1)
    assert (comparison.keras_accuracy, comparison.accuracy) == (0.96, 0.95)
    assert comparison.agreement == 0.97
    assert comparison.passed


def test_int8_fails_on_disagreement_and_on_a_sure_loss_of_accuracy() -> None:
    labels = np.arange(1000) % 2
    keras = certain(list(labels))
    # 4 % lost: the drop is 4 points, give or take 1.645 * sqrt(0.04 * 0.96 / 1000) = 1.02.
    lost = compare("tflite", np.log(keras), wrong_on(40, labels), labels, ParityLimits(), "int8")
    assert [check.name for check in lost.checks if not check.passed] == ["max_accuracy_drop"]
    gone = compare("tflite", np.log(keras), wrong_on(60, labels), labels, ParityLimits(), "int8")
    assert [check.name for check in gone.checks if not check.passed] == [
        "min_agreement",
        "max_accuracy_drop",
    ]


def test_an_insignificant_drop_passes_and_is_reported() -> None:
    labels = np.arange(100) % 2
    # Two of 100 lost: 2 points, give or take 2.3.
    keras = np.log(certain(list(labels)))
    comparison = compare("tflite", keras, wrong_on(2, labels), labels, ParityLimits(), "int8")
    assert comparison.passed
    assert "2.00 points lower, give or take 2.30" in comparison.checks[1].words
