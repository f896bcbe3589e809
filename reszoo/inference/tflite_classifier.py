"""Classification with an exported `.tflite` file, its contract and its labels."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.dataset import numbered_classes
from reszoo.errors import UserError
from reszoo.inference.tflite_interpreter import TFLiteInterpreter
from reszoo.regular_files import require_regular_file

_FORMAT_KEYS = ("crop", "interpolation", "antialias")


def is_tflite(target: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a target is the path of a `.tflite` file."""
    return isinstance(target, (str, os.PathLike)) and Path(target).suffix == ".tflite"


class TFLiteClassifier:
    """A `.tflite` image classifier with its image format and class names.

    The image format comes from contract.json beside the file and the class names from labels.txt.
    Without a contract, images are resized to cover the input; without labels, classes are numbered.

    Args:
      path: the `.tflite` file.

    Raises:
      UserError: the file is missing or not an image classifier, or does not fit the files beside
        it.
    """

    def __init__(self, path: Path) -> None:
        require_regular_file(path)
        if not path.is_file():
            raise UserError(f"there is no file {path}", expected="a .tflite file")
        self._interpreter = TFLiteInterpreter(path)
        shape = [int(side) for side in self._interpreter.input["shape"]]
        self.image_format = _read_format(path, shape)
        self.classes = _read_labels(path, int(self._interpreter.output["shape"][-1]))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 `(images, classes)` for pixels `(images, height, width, channels)`."""
        return self._interpreter.probabilities(images)


def _read_format(path: Path, shape: list[int]) -> ImageFormat:
    if len(shape) != 4 or shape[0] != 1:
        raise UserError(
            f"{path} is not an image classifier of reszoo's kind",
            expected="one input of shape (1, height, width, channels)",
            found=str(tuple(shape)),
        )
    image_format = ImageFormat(shape[1], shape[2], shape[3])
    contract = path.with_name("contract.json")
    if not contract.is_file():
        return image_format
    try:
        values = json.loads(contract.read_text(encoding="utf-8"))["preprocessing"]
        sixteen_bit = tuple(values["sixteen_bit"]) if "sixteen_bit" in values else None
        resizing = {key: values[key] for key in _FORMAT_KEYS}
        return replace(image_format, sixteen_bit=sixteen_bit, **resizing)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{contract} is damaged", found=repr(error)) from error


def _read_labels(path: Path, outputs: int) -> tuple[str, ...]:
    labels = path.with_name("labels.txt")
    if not labels.is_file():
        return numbered_classes(outputs)
    names = tuple(labels.read_text(encoding="utf-8").splitlines())
    if len(names) != outputs:
        raise UserError(
            f"{labels} does not fit {path.name}",
            expected=f"{outputs} lines, one per class",
            found=f"{len(names)}",
        )
    return names
