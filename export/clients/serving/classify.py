"""Classifies JPEG files with the SavedModel of a bundle; needs TensorFlow only, no Keras.

    python classify.py BUNDLE [JPEG ...] [--repeats 100]

It first checks the bundle's golden image, and exits with code 1 if the output differs by more than
the contract allows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

_FORMAT, _VERSIONS = "reszoo contract", (2, 3)
JPEG_SIGNATURE, PIXEL_SIGNATURE = "classify_jpeg", "serving_uint8"


class BundleError(Exception):
    """A bundle that cannot be used, or whose outputs are not those of its contract."""


class Classifier:
    """The SavedModel of a bundle, used as its contract says.

    Args:
      bundle: the folder that `reszoo export` wrote.

    Raises:
      BundleError: the contract is not supported, or the SavedModel has no JPEG signature.
    """

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle
        self.contract = read_contract(bundle)
        entry = self.contract["files"].get("saved_model")
        if entry is None:
            raise BundleError(f"{bundle} has no SavedModel; export it for the target server")
        self.labels = self.contract["classes"]["names"]
        self._model = tf.saved_model.load(str(bundle / entry["path"]))
        if JPEG_SIGNATURE not in self._model.signatures:
            raise BundleError(f"{bundle} has no signature {JPEG_SIGNATURE}; export it again")

    def run(self, signature: str, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the outputs of a signature: probabilities, logits and class."""
        function = self._model.signatures[signature]
        (name,) = function.structured_input_signature[1]
        return function(**{name: batch})

    def names(self, jpegs: list[bytes]) -> list[str]:
        """Returns the class name of each JPEG; they may have any size, and EXIF is ignored."""
        classes = self.run(JPEG_SIGNATURE, tf.constant(jpegs))["class"]
        return [self.labels[index] for index in classes.numpy()]


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


def check_golden(classifier: Classifier) -> str:
    """Compares the output for the golden image with the contract's; returns a summary.

    It also encodes that image as a JPEG, and checks that the JPEG signature gives, bit for bit, the
    output of the pixel signature for the pixels that TensorFlow decodes from it.

    Raises:
      BundleError: they differ by more than the contract allows.
    """
    example = classifier.contract["example"]
    expected = example["expected"]["saved_model"]
    channels = classifier.contract["preprocessing"]["channels"]
    png = (classifier.bundle / example["image"]).read_bytes()
    pixels = tf.io.decode_png(png, channels=channels)
    found = classifier.run(PIXEL_SIGNATURE, pixels[None])["probabilities"][0]
    difference = float(tf.reduce_max(tf.abs(found - expected["probabilities"])))
    if not difference <= expected["tolerance"]:
        limit = expected["tolerance"]
        raise BundleError(f"the golden image differs by {difference:g}; the limit is {limit:g}")
    jpeg = tf.io.encode_jpeg(pixels, quality=95)
    decoded = tf.io.decode_jpeg(jpeg, channels=channels, dct_method="INTEGER_ACCURATE")
    by_pixels = classifier.run(PIXEL_SIGNATURE, decoded[None])["probabilities"]
    by_jpeg = classifier.run(JPEG_SIGNATURE, jpeg[None])["probabilities"]
    if not bool(tf.reduce_all(by_pixels == by_jpeg)):
        raise BundleError(f"{JPEG_SIGNATURE} and {PIXEL_SIGNATURE} differ for the same pixels")
    return (
        f"golden image: largest difference {difference:g}, limit {expected['tolerance']:g}; "
        "JPEG equal to its pixels"
    )


def median_milliseconds(classifier: Classifier, jpeg: bytes, repeats: int) -> float:
    """Returns the median time of one JPEG with its decoding, after a warm-up of a tenth as many."""
    times = []
    for index in range(repeats + repeats // 10):
        start = time.perf_counter()
        classifier.names([jpeg])
        if index >= repeats // 10:
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Classify JPEGs with the SavedModel of a bundle.")
    parser.add_argument("bundle", type=Path, help="folder that `reszoo export` wrote")
    parser.add_argument("jpegs", nargs="*", type=Path, metavar="JPEG")
    parser.add_argument("--repeats", type=int, default=100, help="images to time (default: 100)")
    arguments = parser.parse_args()
    try:
        classifier = Classifier(arguments.bundle)
        print(check_golden(classifier))
        contents = [path.read_bytes() for path in arguments.jpegs]
        names = classifier.names(contents) if contents else []
    except (BundleError, OSError, tf.errors.InvalidArgumentError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path, name in zip(arguments.jpegs, names, strict=True):
        print(f"{path}: {name}")
    if arguments.repeats > 0 and contents:
        milliseconds = median_milliseconds(classifier, contents[0], arguments.repeats)
        print(f"{milliseconds:.3f} ms per JPEG, median of {arguments.repeats}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
