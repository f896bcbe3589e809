"""Classifies images with the .tflite of a bundle; needs numpy, Pillow and ai-edge-litert only.

    python classify.py BUNDLE [IMAGE ...] [--top 3] [--threads 1] [--repeats 100]

It first checks the bundle's golden example, and exits with code 1 if the output differs by more
than the contract allows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image, ImageOps

_FORMAT, _VERSIONS = "reszoo contract", (2, 3)
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class BundleError(Exception):
    """A bundle that cannot be used, or whose outputs are not those of its contract."""


class Classifier:
    """The .tflite of a bundle, used as its contract says.

    Args:
      bundle: the folder that `reszoo export` wrote.
      threads: the number of threads that compute one image.
      kernels: `fast`, or `reference` for the kernels whose outputs equal those of TFLite-Micro.

    Raises:
      BundleError: the contract is not supported, or a file is not the one that it describes.
    """

    def __init__(self, bundle: Path, *, threads: int = 1, kernels: str = "fast") -> None:
        self.bundle = bundle
        self.contract = read_contract(bundle)
        entry = self.contract["files"].get("tflite")
        if entry is None:
            raise BundleError(f"{bundle} has no .tflite; export it for another target")
        labels = _checked(bundle, self.contract, self.contract["classes"]["file"])
        # Not `splitlines`: a name may contain one of Unicode's other line separators.
        self.labels = labels.decode().removesuffix("\n").split("\n")
        self._input, self._output = entry["inputs"][0], entry["outputs"][0]
        resolver = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
        interpreter = Interpreter(
            model_content=_checked(bundle, self.contract, entry["path"]),
            num_threads=threads,
            experimental_op_resolver_type=resolver,
        )
        self._run = interpreter.get_signature_runner(entry["signature"])

    def preprocess(self, path: str | os.PathLike[str]) -> np.ndarray:
        """Returns the pixels of an image file, uint8 (height, width, channels)."""
        with Image.open(path) as image:
            return preprocess(image, self.contract["preprocessing"])

    def raw(self, tensor: np.ndarray) -> np.ndarray:
        """Returns the output tensor for an input tensor, both without conversion."""
        return self._run(**{self._input["name"]: tensor})[self._output["name"]]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Returns a probability per class, float32, for the pixels of one image."""
        return dequantize(self.raw(quantize(pixels[None], self._input)), self._output)[0]


def read_contract(bundle: Path) -> dict[str, Any]:
    """Returns the content of contract.json.

    Raises:
      BundleError: there is none, or its version is not supported by this program.
    """
    try:
        contract = json.loads((bundle / "contract.json").read_text(encoding="utf-8"))
        found = contract["format"], contract["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{bundle} has no contract: {error!r}") from error
    if found[0] != _FORMAT or found[1] not in _VERSIONS:
        raise BundleError(f"expected a {_FORMAT} of version 2 or 3, found {found}")
    return contract


def _checked(bundle: Path, contract: dict[str, Any], name: str) -> bytes:
    content = (bundle / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != contract["sha256"][name]:
        raise BundleError(f"{bundle / name} is not the file that contract.json describes")
    return content


def preprocess(image: Image.Image, steps: dict[str, Any]) -> np.ndarray:
    """Carries out the contract's `preprocessing`; returns uint8 (height, width, channels).

    Pixels differ by at most 1 from those of reszoo, where a value is rounded differently.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = _to_8_bits(image, steps)
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    # Pillow's conversion to L uses the contract's formula.
    image = image.convert("RGB").convert({1: "L", 3: "RGB"}[steps["channels"]])
    height, width = steps["height"], steps["width"]
    if steps["crop"] == 1 and image.size == (width, height):
        return np.asarray(image).reshape(height, width, steps["channels"])
    # In float, band by band: integers would be clipped and rounded between Pillow's two passes.
    bands = [_cover_and_crop(band.convert("F"), steps) for band in image.split()]
    values = np.stack([np.asarray(band) for band in bands], axis=-1)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _to_8_bits(image: Image.Image, steps: dict[str, Any]) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if "sixteen_bit" not in steps:
        return Image.fromarray((values >> 8).astype(np.uint8))
    low, high = steps["sixteen_bit"]
    steps_up = np.clip(values, low, high) - low
    return Image.fromarray(((510 * steps_up + high - low) // (2 * (high - low))).astype(np.uint8))


def _cover_and_crop(image: Image.Image, steps: dict[str, Any]) -> Image.Image:
    """Resizes an image until it just covers the contract's size, and crops the centre."""
    width, height = steps["width"], steps["height"]
    cover_height, cover_width = steps["resize_to_cover"]
    scale = max(cover_width / image.width, cover_height / image.height)
    resized = (
        max(int(image.width * scale + 1e-9), cover_width),
        max(int(image.height * scale + 1e-9), cover_height),
    )
    left, top = round((resized[0] - width) / 2), round((resized[1] - height) / 2)
    resample = _FILTERS[steps["interpolation"]]
    if steps["antialias"]:
        box = (left, top, left + width, top + height)
        return image.resize(resized, resample).crop(box)
    across, down = image.width / resized[0], image.height / resized[1]
    affine = (across, 0, left * across, 0, down, top * down)
    return image.transform((width, height), Image.Transform.AFFINE, affine, resample)


def quantize(pixels: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Quantizes pixels 0..255 to the values of an input tensor, by the contract's scale."""
    dtype = np.dtype(tensor["dtype"])
    if tensor["scale"] is None or (tensor["scale"] == 1 and tensor["zero_point"] == 0):
        return pixels.astype(dtype)
    values = np.rint(pixels / np.float32(tensor["scale"])) + tensor["zero_point"]
    limits = np.iinfo(dtype)
    return np.clip(values, limits.min, limits.max).astype(dtype)


def dequantize(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Returns the values of an output tensor as probabilities, float32."""
    if tensor["scale"] is None:
        return values.astype(np.float32)
    steps = values.astype(np.float32) - tensor["zero_point"]
    return steps * np.float32(tensor["scale"])


def check_golden(bundle: Path, *, threads: int = 1) -> str:
    """Compares the output for the golden example with the contract's; returns a summary.

    Raises:
      BundleError: they differ by more than the contract allows.
    """
    example = read_contract(bundle)["example"]
    vectors = example.get("vectors", {}).get("tflite")
    if vectors is not None:
        classifier = Classifier(bundle, threads=threads, kernels=vectors["kernels"])
        expected = np.load(bundle / vectors["output"])
        found = classifier.raw(np.load(bundle / vectors["input"]))
        tolerance, what = vectors["tolerance"], f"golden vector ({vectors['kernels']} kernels)"
    else:
        classifier = Classifier(bundle, threads=threads)
        # Without preprocessing: the image already has the input's size, and a crop would resize it.
        path = bundle / example["image"]
        stored = np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))
        shape = [classifier.contract["preprocessing"][key] for key in ("height", "width")]
        found = classifier.probabilities(stored.reshape(*shape, -1))
        expected = np.array(example["expected"]["tflite"]["probabilities"])
        tolerance, what = example["expected"]["tflite"]["tolerance"], "golden image"
    difference = float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
    if not difference <= tolerance or found.argmax() != expected.argmax():
        raise BundleError(f"the {what} differs by {difference:g}; the limit is {tolerance:g}")
    return f"{what}: largest difference {difference:g}, limit {tolerance:g}"


def median_milliseconds(classifier: Classifier, pixels: np.ndarray, repeats: int) -> float:
    """Returns the median time of one image, after a warm-up of a tenth as many."""
    times = []
    for index in range(repeats + repeats // 10):
        start = time.perf_counter()
        classifier.probabilities(pixels)
        if index >= repeats // 10:
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Classify images with the .tflite of a bundle.")
    parser.add_argument("bundle", type=Path, help="folder that `reszoo export` wrote")
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE")
    parser.add_argument("--top", type=int, default=3, help="classes to print (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--repeats", type=int, default=100, help="images to time (default: 100)")
    arguments = parser.parse_args()
    try:
        print(check_golden(arguments.bundle, threads=arguments.threads))
        classifier = Classifier(arguments.bundle, threads=arguments.threads)
        steps = classifier.contract["preprocessing"]
        pixels = np.zeros([steps[key] for key in ("height", "width", "channels")], np.uint8)
        for path in arguments.images:
            pixels = classifier.preprocess(path)
            probabilities = classifier.probabilities(pixels)
            best = np.argsort(-probabilities, kind="stable")[: arguments.top]
            answers = (f"{classifier.labels[index]} {probabilities[index]:.4f}" for index in best)
            print(f"{path}: {', '.join(answers)}")
    except (BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.repeats > 0:
        milliseconds = median_milliseconds(classifier, pixels, arguments.repeats)
        print(f"{milliseconds:.3f} ms per image, median of {arguments.repeats}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
