"""What does a .tflite answer to a picture? Read as a device reads it: file, contract, labels."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from reszoo.data import ImageFormat
from reszoo.errors import UserError
from reszoo.inference.tflite_interpreter import TFLiteInterpreter

_GEOMETRY = ("crop", "interpolation", "antialias")


def is_tflite(target: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a target is the name of a `.tflite` file."""
    return isinstance(target, (str, os.PathLike)) and Path(target).suffix == ".tflite"


class TFLiteClassifier:
    """An exported classifier: one image in, probabilities out.

    contract.json beside the file says how a picture becomes its input, and labels.txt what its
    outputs stand for; without them the picture is resized to cover the input, and classes are
    numbers.

    Args:
      path: the `.tflite` file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f"there is no file {path}", expected="a .tflite file")
        self._runner = TFLiteInterpreter(path)
        self.image_format = _geometry(path, [int(side) for side in self._runner.input["shape"]])
        self.classes = _labels(path, int(self._runner.output["shape"][-1]))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """float32 `(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        return self._runner.probabilities(images)


def _geometry(path: Path, shape: list[int]) -> ImageFormat:
    if len(shape) != 4 or shape[0] != 1:
        raise UserError(
            f"{path} is not an image classifier of reszoo's kind",
            expected="one input of shape (1, height, width, channels)",
            found=str(tuple(shape)),
        )
    sides = shape[1], shape[2], shape[3]
    contract = path.with_name("contract.json")
    if not contract.is_file():
        return ImageFormat(*sides)
    try:
        said = json.loads(contract.read_text(encoding="utf-8"))["preprocessing"]
        return replace(ImageFormat(*sides), **{name: said[name] for name in _GEOMETRY})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{contract} is damaged", found=repr(error)) from error


def _labels(path: Path, outputs: int) -> tuple[str, ...]:
    labels = path.with_name("labels.txt")
    if not labels.is_file():
        return tuple(str(index) for index in range(outputs))
    names = tuple(labels.read_text(encoding="utf-8").splitlines())
    if len(names) != outputs:
        raise UserError(
            f"{labels} does not fit {path.name}",
            expected=f"{outputs} lines, one per class",
            found=f"{len(names)}",
        )
    return names
