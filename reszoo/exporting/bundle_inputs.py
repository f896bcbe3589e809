"""Inputs of a verification: the contract of a bundle, its images and its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class BundleInputs:
    """A bundle's folder, its contract, and which of its files are damaged."""

    folder: Path
    contract: dict[str, Any]
    damaged: frozenset[str]

    def entry(self, file: str) -> dict[str, Any]:
        """Returns the contract's entry for `tflite`, `saved_model` or `onnx`."""
        entry: dict[str, Any] = self.contract["files"][file]
        return entry

    def path(self, file: str) -> Path:
        """Returns the path of the `tflite`, `saved_model` or `onnx`."""
        return inside(self.folder, self.entry(file)["path"])

    def examples(self, file: str) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
        """Returns name, pixels and expected outputs of the golden image and the photograph.

        Pixels are uint8 `(height, width, channels)`. Damaged images are left out.
        """
        golden = self.contract["example"]
        found = [(golden["image"], golden["expected"].get(file))]
        if photo := golden.get("photograph"):
            found.append((photo["input"], photo["expected"].get(file)))
        return [
            (name, read_pixels(inside(self.folder, name)), expected)
            for name, expected in found
            if expected is not None and name not in self.damaged
        ]

    def tensor(self, name: str) -> np.ndarray | None:
        """Returns the array of a `.npy` file; None if it is damaged."""
        if name in self.damaged:
            return None
        array: np.ndarray = np.load(inside(self.folder, name), allow_pickle=False)
        return array


def inside(folder: Path, name: str) -> Path:
    """Returns the path of a bundle's file.

    Raises:
      ValueError: the name points outside the bundle.
    """
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name:
        raise ValueError(f"a file outside the bundle: {name}")
    return folder / name


def read_pixels(path: Path) -> np.ndarray:
    """Returns the pixels of an image of the input's size, uint8 `(height, width, channels)`."""
    if path.suffix == ".npy":  # PNG has no mode for this number of channels
        pixels: np.ndarray = np.load(path, allow_pickle=False)
    else:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels
