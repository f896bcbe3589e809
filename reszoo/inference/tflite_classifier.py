"""Classification with an exported `.tflite` file, its contract and its labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.dataset import numbered_classes
from reszoo.data.images.numpy_resizing import resize_in_numpy
from reszoo.errors import UserError, first_line
from reszoo.inference.finite_outputs import finite_outputs
from reszoo.regular_files import require_regular_file
from reszoo.tflite.contract_file import (
    CONTRACT,
    check_hash,
    damaged_contract,
    has_hashes,
    read_contract,
)
from reszoo.tflite.image_metadata import LABELS
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.trial_run import require_runnable

_FORMAT_KEYS = ("crop", "interpolation", "antialias")


class TFLiteClassifier:
    """A `.tflite` image classifier with its image format and class names.

    The image format comes from contract.json beside the file and the class names from labels.txt;
    both files are checked by the contract's hashes. A contract of version 1 has none, which is
    a warning. Without a contract, images are resized to cover the input; without labels, classes
    are numbered.

    Args:
      path: the `.tflite` file.

    Raises:
      UserError: the file is missing or not an image classifier, or does not fit the files beside
        it.
    """

    resize = staticmethod(resize_in_numpy)

    def __init__(self, path: Path) -> None:
        require_regular_file(path)
        if not path.is_file():
            raise UserError(
                f"there is no file {path}",
                expected="a .tflite file",
                hint="name the file, or the bundle that `reszoo export` wrote",
            )
        preprocessing = _read_contract(path)
        require_runnable(path)
        self._path = path
        self._interpreter = TFLiteInterpreter(path)
        shape = [int(side) for side in self._interpreter.input["shape"]]
        self.image_format = _image_format(path, shape, preprocessing)
        self.classes = _read_labels(path, int(self._interpreter.output["shape"][-1]))
        self._classify = finite_outputs(self._interpreter.probabilities, self._locate)

    def resize_images(self, images: Iterable[np.ndarray], image_format: ImageFormat) -> np.ndarray:
        """Resizes images `(height, width, channels)` to an image format, and stacks them."""
        return np.stack([self.resize(image, image_format) for image in images])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 `(images, classes)` for pixels `(images, height, width, channels)`.

        Raises:
          UserError: an output is not finite.
        """
        return self._classify(images)

    def agreement(self, images: np.ndarray) -> None:
        """Returns None: a `.tflite` file is not folded."""

    def _locate(self, image: np.ndarray) -> str | None:
        interpreter = TFLiteInterpreter(self._path, kernels="plain", keep_tensors=True)
        interpreter.invoke(image)
        tensor = interpreter.first_not_finite()
        return None if tensor is None else f"the tensor {tensor}"


def _read_contract(path: Path) -> dict[str, Any]:
    """Checks a file and its labels by the contract beside it; returns the format's keys."""
    contract = path.with_name(CONTRACT)
    if not contract.is_file():
        return {}
    content = read_contract(contract)
    try:
        preprocessing = preprocessing_options(content["preprocessing"])
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_contract(contract, error) from error
    if not has_hashes(content):
        warnings.warn(
            f"{contract} is of version 1 and holds no hashes: {path.name} is used unchecked",
            stacklevel=2,
        )
        return preprocessing
    for file in (path, path.with_name(LABELS)):
        if file.is_file():
            check_hash(file, content["sha256"])
    return preprocessing


def preprocessing_options(values: dict[str, Any]) -> dict[str, Any]:
    """Returns `ImageFormat` fields from the `preprocessing` of a contract.

    Raises:
      ValueError, KeyError, TypeError: the contract is damaged.
    """
    crop, interpolation, antialias = (values[key] for key in _FORMAT_KEYS)
    if not 0.01 <= crop <= 1 or interpolation not in ("bilinear", "bicubic"):
        raise ValueError(f"crop {crop!r}, interpolation {interpolation!r}")
    if not isinstance(antialias, bool):
        raise ValueError(f"antialias {antialias!r}")
    preprocessing = {"crop": crop, "interpolation": interpolation, "antialias": antialias}
    if "sixteen_bit" in values:
        low, high = values["sixteen_bit"]
        if not 0 <= int(low) < int(high) <= 0xFFFF:
            raise ValueError(f"sixteen_bit {values['sixteen_bit']!r}")
        preprocessing["sixteen_bit"] = int(low), int(high)
    return preprocessing


def _image_format(path: Path, shape: list[int], preprocessing: dict[str, Any]) -> ImageFormat:
    if len(shape) != 4 or shape[0] != 1:
        raise UserError(
            f"{path} is not an image classifier of reszoo's kind",
            expected="one input of shape (1, height, width, channels)",
            found=str(tuple(shape)),
            hint="use a .tflite that `reszoo export` wrote, or convert yours for a batch of 1",
        )
    return ImageFormat(shape[1], shape[2], shape[3], **preprocessing)


def _read_labels(path: Path, outputs: int) -> tuple[str, ...]:
    labels = path.with_name(LABELS)
    if not labels.is_file():
        return numbered_classes(outputs)
    try:
        names = tuple(labels.read_text(encoding="utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise UserError(
            f"{labels} is not UTF-8 text",
            expected="a class name per line, in UTF-8",
            found=first_line(error),
            hint="save the file as UTF-8, or copy the bundle again",
        ) from None
    if len(names) != outputs:
        raise UserError(
            f"{labels} does not fit {path.name}",
            expected=f"{outputs} lines, one per class",
            found=f"{len(names)}",
            hint="copy both again from the same bundle, or move labels.txt elsewhere: classes are "
            "then numbered",
        )
    return names
