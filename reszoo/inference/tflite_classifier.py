"""Classification with an exported `.tflite` file, its contract and its labels."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.atomic_files import recover
from reszoo.data import ImageFormat
from reszoo.data.dataset import numbered_classes
from reszoo.data.images.numpy_resizing import resize_in_numpy
from reszoo.errors import UserError, first_line
from reszoo.inference.finite_outputs import finite_outputs
from reszoo.inference.tflite_interpreter import TFLiteInterpreter
from reszoo.json_text import parse_json
from reszoo.regular_files import require_regular_file

TFLITE = "model.tflite"
CONTRACT = "contract.json"
FORMAT, FORMAT_VERSION = "reszoo contract", 2
"""Of contract.json; version 1 has no hashes."""
_FORMAT_KEYS = ("crop", "interpolation", "antialias")


def is_bundle(path: Path) -> bool:
    """Whether a path is the folder of an exported bundle, which a killed export may have moved."""
    if not path.exists():
        recover(path)
    return (path / CONTRACT).is_file()


def find_tflite(target: Any) -> Path | None:
    """Returns the `.tflite` file that a target names or, as a bundle's folder, holds; else None."""
    if not isinstance(target, (str, os.PathLike)):
        return None
    path = Path(target)
    if path.suffix == ".tflite" and not path.is_dir():
        return path
    return path / TFLITE if is_bundle(path) and (path / TFLITE).is_file() else None


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
        self._path = path
        self._interpreter = TFLiteInterpreter(path)
        shape = [int(side) for side in self._interpreter.input["shape"]]
        self.image_format = _image_format(path, shape, preprocessing)
        self.classes = _read_labels(path, int(self._interpreter.output["shape"][-1]))
        self._classify = finite_outputs(self._interpreter.probabilities, self._locate)

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


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_contract(path: Path) -> dict[str, Any]:
    """Checks a file and its labels by the contract beside it; returns the format's keys."""
    contract = path.with_name(CONTRACT)
    if not contract.is_file():
        return {}
    try:
        content = parse_json(contract.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError(f"the format {content['format']!r}")
        if content["format_version"] > FORMAT_VERSION:
            raise UserError(
                f"{contract} was written in a format that this reszoo does not know",
                expected=f"format version {FORMAT_VERSION} or older",
                found=str(content["format_version"]),
                hint="install a newer reszoo",
            )
        preprocessing = _preprocessing(content["preprocessing"])
        hashes = dict(content["sha256"]) if content["format_version"] > 1 else None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{contract} is damaged",
            expected="the contract that `reszoo export` wrote",
            found=repr(error),
            hint="copy the bundle again, or export it again",
        ) from error
    if hashes is None:
        warnings.warn(
            f"{contract} is of version 1 and holds no hashes: {path.name} is used unchecked",
            stacklevel=2,
        )
        return preprocessing
    for file in (path, path.with_name("labels.txt")):
        if file.is_file():
            _check_hash(file, hashes)
    return preprocessing


def _preprocessing(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of an image format; raises ValueError, KeyError or TypeError."""
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


def _check_hash(file: Path, hashes: dict[str, str]) -> None:
    digest = sha256_of(file)
    # A file that was renamed is found among all of them.
    if digest not in ([hashes[file.name]] if file.name in hashes else hashes.values()):
        raise UserError(
            f"{file} is damaged, or is not the file that its contract describes",
            where=str(file.with_name(CONTRACT)),
            expected=f"SHA-256 {hashes.get(file.name, 'of a file of the bundle')}",
            found=f"SHA-256 {digest}",
            hint="copy the bundle again, or export it again; a file that was changed on purpose "
            "is used in a folder without contract.json",
        )


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
    labels = path.with_name("labels.txt")
    if not labels.is_file():
        return numbered_classes(outputs)
    try:
        names = tuple(labels.read_text(encoding="utf-8").splitlines())
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
