"""Quantization-aware training against post-training quantization, on the embedded digits.

Trains a network, trains it on with `--quantize int8`, exports both runs as int8, and compares the
files on the test split: with each other, and the second one with its fake-quantized network.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from output import print_result
from scipy.stats import binomtest

import reszoo
from reszoo.data.open_data import open_data
from reszoo.exporting.learned_ranges import check_learned_ranges
from reszoo.inference.calibration import draw_images
from reszoo.inference.trained import load_trained
from reszoo.model.quantized_model import learned_limits
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.model_file import load_model_file

NETWORKS = ("resnet8_digits", "highway8_digits")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Prints and returns the comparison of one network of the zoo."""
    trained = reszoo.train(name, data="digits", out=folder / "float", quiet=True)
    quantized = reszoo.train(start=trained, data="digits", quantize="int8", out=folder / "int8")
    bundles = [reszoo.export(run, "mobile-int8", gate=False) for run in (trained, quantized)]
    network = load_trained(quantized)
    split = open_data("digits").split("test")
    images, labels = draw_images(split, network.image_format, len(split), seed=0)

    rounded = np.asarray(network.model(images, training=False)).argmax(-1)
    post, aware = (
        TFLiteInterpreter(bundle.tflite).probabilities(images).argmax(-1) for bundle in bundles
    )
    check_learned_ranges(load_model_file(bundles[1].tflite), network.model)
    names = [
        Counter(operator.name for operator in load_model_file(bundle.tflite).main.operators)
        for bundle in bundles
    ]
    better, worse = (
        int(np.sum((one == labels) & (two != labels)))
        for one, two in (
            (aware, post),
            (post, aware),
        )
    )
    chance = binomtest(better, better + worse).pvalue if better + worse else 1.0
    print(
        f"{name}: {len(images)} images; accuracy post-training {np.mean(post == labels):.4f}, "
        f"aware {np.mean(aware == labels):.4f} ({better} better, {worse} worse, McNemar's exact p "
        f"{chance:.2f}); same class as the fake-quantized network on "
        f"{np.mean(aware == rounded):.4f}; "
        f"{len(learned_limits(network.model))} learned ranges, all in the file; "
        f"additional operators: {dict(names[1] - names[0]) or 'none'}; "
        f"bytes {bundles[0].tflite_bytes:,} and {bundles[1].tflite_bytes:,}"
    )
    return {
        "post_training": float(np.mean(post == labels)),
        "aware": float(np.mean(aware == labels)),
        "p": float(chance),
        "same_class": float(np.mean(aware == rounded)),
        "learned_ranges": len(learned_limits(network.model)),
        "additional_operators": sum((names[1] - names[0]).values()),
    }


def main() -> None:
    """Prints a line per network and, last, one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", nargs="*", default=NETWORKS)
    networks = {}
    for name in parser.parse_args().net:
        with tempfile.TemporaryDirectory() as folder:
            networks[name] = measure(name, Path(folder))
    print_result("quantize_training", networks=networks)


if __name__ == "__main__":
    main()
