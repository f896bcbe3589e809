"""A client with only the bundle and ai-edge-litert reproduces the contract's example."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from reszoo.exporting import Bundle
from reszoo.exporting.golden_example import choose_golden_image
from reszoo.inference.tflite_interpreter import dequantize, quantize

from .conftest import NETS

CLIENT = """
import json, pathlib, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

folder = pathlib.Path(sys.argv[1])
contract = json.loads((folder / "contract.json").read_text())
facts = contract["files"]["tflite"]
(source,), (sink,) = facts["inputs"], facts["outputs"]
assert source["formula"] == "input = pixel" and sink["formula"] == "probability = output"
pixels = np.asarray(Image.open(folder / contract["example"]["image"]))

interpreter = Interpreter(str(folder / facts["path"]))
runner = interpreter.get_signature_runner(facts["signature"])
image = pixels.reshape(source["shape"]).astype(source["dtype"])
probabilities = runner(**{source["name"]: image})[sink["name"]][0]

expected = contract["example"]["expected"]["tflite"]
assert np.abs(probabilities - expected["probabilities"]).max() <= expected["tolerance"]
assert probabilities.argmax() == expected["class"]
labels = (folder / contract["classes"]["file"]).read_text().splitlines()
assert labels[expected["class"]] == expected["class_name"] == contract["example"]["label"]
assert not {"tensorflow", "keras", "reszoo"} & set(sys.modules)
print("reproduced")
"""


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("target", ["mobile-float32", "mobile-int8"])
def test_worked_example_is_reproduced_with_litert_alone(
    bundle_of: Callable[[str, str], Bundle], net: str, target: str
) -> None:
    bundle = bundle_of(net, target)
    process = subprocess.run(
        [sys.executable, "-c", CLIENT, str(bundle.path)], capture_output=True, text=True
    )
    assert process.stdout.strip() == "reproduced", process.stderr


def test_contract_says_how_pixels_become_input_and_output_probabilities(
    bundle_of: Callable[[str, str], Bundle],
) -> None:
    contract = json.loads((bundle_of("residual", "mobile-int8").path / "contract.json").read_text())
    assert (contract["format"], contract["format_version"]) == ("reszoo contract", 1)
    assert contract["preprocessing"] | {"steps": None} == {
        "height": 8,
        "width": 8,
        "channels": 1,
        "colour": "grey",
        "layout": "height, width, channels",
        "crop": 1.0,
        "resize_to_cover": [8, 8],
        "interpolation": "bilinear",
        "antialias": True,
        "pixels": "0..255",
        "steps": None,
    }
    (source,) = contract["files"]["tflite"]["inputs"]
    assert source == {
        "name": "image",
        "tensor": source["tensor"],
        "shape": [1, 8, 8, 1],
        "dtype": "uint8",
        "scale": pytest.approx(1.0),
        "zero_point": 0,
        "formula": "input = pixel",
        "words": "Each pixel 0..255 goes in as it is.",
    }
    signatures = contract["files"]["saved_model"]["signatures"]
    assert {name: part["inputs"]["image"]["dtype"] for name, part in signatures.items()} == {
        "serving_default": "float32",
        "serving_uint8": "uint8",
    }


def test_quantised_numbers_follow_the_formulas() -> None:
    details = {"dtype": np.int8, "quantization": (0.5, -128)}
    # pixel / 0.5 - 128, held within int8
    assert quantize(np.array([0, 10, 255]), details).tolist() == [-128, -108, 127]
    # (output + 128) * 0.5
    assert dequantize(np.array([-128, 0], np.int8), details).tolist() == [0.0, 64.0]


def test_golden_image_is_correct_and_of_median_confidence() -> None:
    keras = np.array([[0.99, 0.01], [0.8, 0.2], [0.51, 0.49], [0.3, 0.7]])
    tflite = np.array([[0.99, 0.01], [0.8, 0.2], [0.49, 0.51], [0.3, 0.7]])
    # Image 2 divides them, image 3 is wrong; of 0 and 1 the upper median is 0.
    assert choose_golden_image([keras, tflite], np.array([0, 0, 0, 0])) == 0
    # Without labels images 0, 1 and 3 remain: 0.99, 0.8, 0.7.
    assert choose_golden_image([keras, tflite], None) == 1
