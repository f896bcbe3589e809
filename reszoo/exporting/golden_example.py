"""The golden example: one image with its expected outputs, for clients to check themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reszoo.exporting.contract import GOLDEN
from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.parity import Arithmetic

# For the same file on other hardware. int8: two steps of a probability; bfloat16, and float16 on
# GPUs: the rounding of other kernels; dynamic: the rounding of activations.
_TOLERANCES: dict[Arithmetic, float] = {
    "float32": 1e-5,
    "bfloat16": 0.02,
    "float16": 0.01,
    "dynamic": 0.02,
    "int8": 2 / 256,
    "int16x8": 1e-3,
}
# More than twice the largest tolerance, so that no class changes within it.
_CLEAR_MARGIN = 0.05
_PNG_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def choose_golden_image(probabilities: list[np.ndarray], labels: np.ndarray | None) -> int:
    """Returns the index of the image of median confidence among those classified alike, clearly.

    Correctly classified images are preferred. A confident image would hide small errors behind a
    probability of 1, a doubtful one might change its class on other hardware: where no image has a
    clear margin between its two best classes, it is the one with the largest. `probabilities` are
    arrays `(images, classes)`, of Keras first and then of every file.
    """
    classes = np.stack([array.argmax(-1) for array in probabilities])
    agreed = (classes == classes[0]).all(axis=0)
    if labels is not None and (agreed & (classes[0] == labels)).any():
        agreed &= classes[0] == labels
    candidates = np.flatnonzero(agreed) if agreed.any() else np.arange(classes.shape[1])
    margins = np.min([_margin(array[candidates]) for array in probabilities], axis=0)
    if not (clear := margins >= _CLEAR_MARGIN).any():
        return int(candidates[margins.argmax()])
    candidates = candidates[clear]
    confidence = probabilities[0][candidates].max(-1)
    return int(candidates[np.argsort(confidence, kind="stable")[len(candidates) // 2]])


def _margin(probabilities: np.ndarray) -> np.ndarray:
    """Returns by how much the best class of each image exceeds the second best."""
    if probabilities.shape[-1] == 1:
        return probabilities[..., 0]
    second, best = np.sort(probabilities, axis=-1)[..., -2:].T
    return best - second


def write_golden_example(
    network: InferenceGraph,
    image: np.ndarray,
    label: int | None,
    outputs: dict[str, tuple[np.ndarray, Arithmetic]],
    folder: Path,
) -> dict[str, Any]:
    """Writes the golden image into a bundle and returns the contract's entry for it.

    The image is uint8, `(height, width, channels)`. `outputs` are, by file (`saved_model`,
    `tflite`), the probabilities `(classes,)` and the arithmetic that they come from.
    """
    return {
        "image": _write_image(image, folder),
        "words": "The image has the input's size already: decode it, give its pixels to a file, "
        "and compare with what is expected here, within the tolerance.",
        "label": None if label is None else network.classes[label],
        "expected": expected_outputs(network, outputs),
    }


def expected_outputs(
    network: InferenceGraph, outputs: dict[str, tuple[np.ndarray, Arithmetic]]
) -> dict[str, Any]:
    """Returns what the contract expects of each file for an image; `outputs` as above."""
    return {
        name: {
            "class": int(probabilities.argmax()),
            "class_name": network.classes[probabilities.argmax()],
            "probabilities": [float(value) for value in probabilities],
            "tolerance": _TOLERANCES[arithmetic],
        }
        for name, (probabilities, arithmetic) in outputs.items()
    }


def tolerance_of(arithmetic: Arithmetic) -> float:
    """Returns the difference that a probability may have on other hardware."""
    return _TOLERANCES[arithmetic]


def _write_image(image: np.ndarray, folder: Path) -> str:
    mode = _PNG_MODES.get(image.shape[-1])
    if mode is None:  # PNG has no mode with as many channels
        np.save(folder / "golden.npy", image)
        return "golden.npy"
    pixels = image[..., 0] if mode == "L" else image
    Image.fromarray(pixels, mode).save(folder / GOLDEN, optimize=True)
    return GOLDEN
