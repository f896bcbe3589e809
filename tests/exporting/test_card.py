"""CARD.md compares accuracies of the same images, and names the programs that use its files."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reszoo.exporting.bundle import Parity
from reszoo.exporting.card import _accuracy, _heading, _how_to_run
from reszoo.exporting.parity import Arithmetic, Comparison, compare
from reszoo.inference.calibration import SampleImages
from reszoo.spec import load_target
from reszoo.spec.target import ParityLimits

CLIENTS = Path(__file__).parents[2] / "export" / "clients"

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


def test_the_title_tells_a_network_from_others_of_its_family() -> None:
    network = SimpleNamespace(name="a", title="a without 3 of its blocks", image_shape=(8, 8, 1))
    network.classes = ("x", "y")
    lines = _heading(SimpleNamespace(network=network, target=load_target("mobile-int8")))
    assert lines[:3] == ["# a for mobile-int8", "", "a without 3 of its blocks."]


def test_without_labels_there_is_no_accuracy() -> None:
    assert len(card(None)) == 1


@pytest.mark.parametrize(
    ("target", "files", "clients"),
    [
        ("mobile-int8", ("saved_model", "tflite"), "python c web android serving"),
        ("microcontroller-64k", ("saved_model", "tflite"), "micro python c serving"),
        ("ethos-u55", ("saved_model", "tflite"), "python c serving"),
        ("server", ("saved_model",), "serving"),
        ("onnx", ("onnx",), ""),
    ],
)
def test_the_programs_are_those_that_use_its_files(
    target: str, files: tuple[str, ...], clients: str
) -> None:
    lines = _how_to_run(load_target(target), dict.fromkeys(files))
    named = re.findall(r"export/clients/(\w+)", lines[-1])
    assert named == clients.split()
    assert "In the folder of the bundle:" in lines
    assert all((CLIENTS / name).is_dir() for name in named)
    assert ("vela model.tflite" in "\n".join(lines)) == (target == "ethos-u55")
