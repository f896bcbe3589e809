"""What does a .tflite answer to a picture? Read as a device reads it: file, contract, labels."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from reszoo.data import Geometry
from reszoo.errors import UserError

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
        try:
            self._interpreter = Interpreter(str(path), num_threads=os.cpu_count() or 1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            raise UserError(f"{path} does not open as a TFLite file", found=str(error)) from error
        (self._input,) = self._interpreter.get_input_details()[:1]
        (self._output,) = self._interpreter.get_output_details()[:1]
        self.geometry = _geometry(path, [int(side) for side in self._input["shape"]])
        self.classes = _labels(path, int(self._output["shape"][-1]))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """float32 `(images, classes)` for pixels 0..255 `(images, height, width, channels)`."""
        return np.concatenate([self._one(image) for image in images])

    def _one(self, image: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input["index"], to_input(image, self._input)[None])
        self._interpreter.invoke()
        return real_numbers(self._interpreter.get_tensor(self._output["index"]), self._output)


def to_input(pixels: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Pixels 0..255 as an interpreter's input takes them: themselves, unless it has a scale."""
    scale, zero_point = details["quantization"]
    if not np.issubdtype(details["dtype"], np.integer):
        return pixels.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    steps = np.round(pixels.astype(np.float32) / (scale or 1.0)) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def real_numbers(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """float32 numbers of a tensor: (values - zero_point) * scale where it has a scale."""
    scale, zero_point = details["quantization"]
    numbers = values.astype(np.float32)
    return (numbers - zero_point) * np.float32(scale) if scale else numbers


def _geometry(path: Path, shape: list[int]) -> Geometry:
    if len(shape) != 4 or shape[0] != 1:
        raise UserError(
            f"{path} is not an image classifier of reszoo's kind",
            expected="one input of shape (1, height, width, channels)",
            found=str(tuple(shape)),
        )
    sides = shape[1], shape[2], shape[3]
    contract = path.with_name("contract.json")
    if not contract.is_file():
        return Geometry(*sides)
    try:
        said = json.loads(contract.read_text(encoding="utf-8"))["preprocessing"]
        return replace(Geometry(*sides), **{name: said[name] for name in _GEOMETRY})
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
