"""CARD.md compares accuracies of the same images only."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from reszoo.exporting.bundle import Parity
from reszoo.exporting.card import _accuracy
from reszoo.exporting.parity import Arithmetic, Comparison, compare
from reszoo.inference.calibration import SampleImages
from reszoo.spec.target import ParityLimits

LABELS = np.arange(200) % 4


def outputs(wrong: int) -> np.ndarray:
    """Log-probabilities of an answer that is wrong for so many images, those at the end."""
    answers = np.where(np.arange(200) < 200 - wrong, LABELS, (LABELS + 1) % 4)
    return np.log(np.full((200, 4), 0.1) + 0.6 * np.eye(4)[answers])


def compared(file: str, images: int, wrong: int, arithmetic: Arithmetic) -> Comparison:
    rows = slice(images)
    probabilities = np.exp(outputs(wrong)[rows])
    return compare(file, outputs(10)[rows], probabilities, LABELS[rows], ParityLimits(), arithmetic)


def card(labels: np.ndarray | None) -> list[str]:
    parity = Parity(
        target="microcontroller",
        source="digits, test: 200 of 200 images",
        calibration=None,
        comparisons=(
            compared("saved_model", 100, 0, "float32"),
            compared("tflite", 200, 12, "int8"),
            compared("tflite_reference", 50, 0, "int8"),
        ),
    )
    job = SimpleNamespace(samples=SampleImages(np.zeros((200, 1)), labels, parity.source))
    return _accuracy(job, outputs(10), parity)


def test_accuracies_are_those_of_the_same_images() -> None:
    lines = card(LABELS)
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows] == ["|", "| Keras model", "| TFLite"]
    keras, tflite = rows[1:]
    assert keras[1].startswith("95.00% (95 % confidence interval 91.04% to 97.26%)")
    assert tflite[1].startswith("94.00%") and tflite[2].startswith("99.00%")
    assert lines[-1] == (
        "Compared on fewer of these images, and not listed: SavedModel (100), TFLite, reference "
        "kernels (50)."
    )


def test_without_labels_there_is_no_accuracy() -> None:
    assert len(card(None)) == 1
