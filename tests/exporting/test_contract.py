"""A client with only the bundle and ai-edge-litert reproduces the contract's example."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reszoo.data import ImageData, ImageFormat
from reszoo.data.images.decoding import read_image
from reszoo.errors import UserError
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.exporting.golden_example import choose_golden_image
from reszoo.inference.calibration import calibration_images
from reszoo.inference.evaluate import evaluate
from reszoo.inference.predict import predict
from reszoo.inference.trained import TrainedModel
from reszoo.spec.target import Calibration
from reszoo.tflite.interpreter import dequantize, quantize
from tests.programs import Programs

from .conftest import NETS, digits, small_net

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
"""


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("target", ["mobile-float32", "mobile-int8"])
def test_worked_example_is_reproduced_with_litert_alone(
    bundle_of: Callable[[str, str], Bundle], bare_python: Programs, net: str, target: str
) -> None:
    bare_python(CLIENT, bundle_of(net, target).path)


def test_contract_says_how_pixels_become_input_and_output_probabilities(
    bundle_of: Callable[[str, str], Bundle],
) -> None:
    contract = json.loads((bundle_of("residual", "mobile-int8").path / "contract.json").read_text())
    assert (contract["format"], contract["format_version"]) == ("reszoo contract", 2)
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
        "words": "Each pixel 0..255 is passed unchanged.",
    }
    signatures = contract["files"]["saved_model"]["signatures"]
    assert {
        name: {key: (value["shape"], value["dtype"]) for key, value in part["inputs"].items()}
        for name, part in signatures.items()
    } == {
        "serving_default": {"image": ([-1, 8, 8, 1], "float32")},
        "serving_uint8": {"image": ([-1, 8, 8, 1], "uint8")},
        "classify_jpeg": {"jpeg": ([-1], "string")},
    }
    assert "EXIF is not read" in signatures["classify_jpeg"]["inputs"]["jpeg"]["words"]


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


def test_golden_image_is_no_tie_in_any_file() -> None:
    keras = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.42, 0.3, 0.28], [0.41, 0.39, 0.2]])
    tie = np.array([[0.9, 0.1, 0.0], [0.34, 0.34, 0.32], [0.42, 0.3, 0.28], [0.41, 0.39, 0.2]])
    # Of all four the median is 2; of 0 and 2, which are clear in both, the upper one is 0.
    assert choose_golden_image([keras, tie], None) == 0
    # Where none is clear, the largest of the least margins decides.
    assert choose_golden_image([keras[[1, 3]], tie[[1, 3]]], None) == 1


PHOTO_CLIENT = """
import json, pathlib, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

folder = pathlib.Path(sys.argv[1])
contract = json.loads((folder / "contract.json").read_text())
photo, facts = contract["example"]["photograph"], contract["files"]["tflite"]
stored = Image.open(folder / photo["image"])
assert [stored.height, stored.width] == photo["stored_size"]
assert stored.getexif()[0x0112] == photo["exif_orientation"]
image = ImageOps.exif_transpose(stored)
assert [image.height, image.width] == photo["upright_size"]
steps = contract["preprocessing"]
image = image.convert({"grey": "L", "RGB": "RGB"}[steps["colour"]])
# Pillow resizes and cuts as the steps say, up to the rounding between its two passes.
height, width = steps["resize_to_cover"]
scale = max(height / image.height, width / image.width)
size = max(int(image.width * scale), width), max(int(image.height * scale), height)
image = image.resize(size, Image.Resampling.BILINEAR)
left, top = round((size[0] - steps["width"]) / 2), round((size[1] - steps["height"]) / 2)
pixels = np.asarray(image.crop((left, top, left + steps["width"], top + steps["height"])))
given = np.asarray(Image.open(folder / photo["input"]))
assert np.abs(pixels.astype(int) - given).max() <= 2

[source], [sink] = facts["inputs"], facts["outputs"]
runner = Interpreter(str(folder / facts["path"])).get_signature_runner(facts["signature"])
image = given.reshape(source["shape"]).astype(source["dtype"])
probabilities = runner(**{source["name"]: image})[sink["name"]][0]
expected = photo["expected"]["tflite"]
assert np.abs(probabilities - expected["probabilities"]).max() <= expected["tolerance"]
assert not {"tensorflow", "keras", "reszoo"} & set(sys.modules)
"""


@pytest.mark.parametrize("target", ["mobile-float32", "mobile-int8"])
def test_the_photograph_is_turned_resized_and_classified_by_a_client_alone(
    bundle_of: Callable[[str, str], Bundle], bare_python: Programs, target: str
) -> None:
    bare_python(PHOTO_CLIENT, bundle_of("residual", target).path)


def test_predict_agrees_with_the_contract_about_the_photograph(
    bundle_of: Callable[[str, str], Bundle],
) -> None:
    bundle = bundle_of("residual", "mobile-int8")
    photo = bundle.contract["example"]["photograph"]
    [prediction] = predict(bundle.path, bundle.path / photo["image"], top=10)
    expected = photo["expected"]["tflite"]
    probabilities = dict(zip(prediction.classes, prediction.probabilities, strict=True))
    assert prediction.classes[0] == expected["class_name"]
    for name, value in zip(
        bundle.contract["classes"]["names"], expected["probabilities"], strict=True
    ):
        assert abs(probabilities[name] - value) <= expected["tolerance"]


def test_the_photograph_is_an_image_of_the_data_where_one_is_larger(
    nets: dict[str, TrainedModel], bundle_of: Callable[[str, str], Bundle], tmp_path: Path
) -> None:
    images, labels = digits()
    large = images[:200].repeat(5, axis=1).repeat(6, axis=2)
    bundle = export(nets["residual"], "server", out=tmp_path / "bundle", data=(large, labels[:200]))
    photo = bundle.contract["example"]["photograph"]
    assert photo["source"] == "an image of the data, stored anew"
    assert (photo["upright_size"], photo["stored_size"]) == ([40, 48], [48, 40])
    upright = read_image(bundle.path / photo["image"])
    nearest = np.abs(large.astype(int) - upright).mean(axis=(1, 2, 3)).min()
    assert nearest < 8  # what JPEG of quality 90 changes in hard edges
    small = bundle_of("residual", "server").contract
    assert small["example"]["photograph"]["source"] == "generated"


def test_contract_names_the_images_that_set_the_ranges(
    bundle_of: Callable[[str, str], Bundle], data: ImageData
) -> None:
    entry = bundle_of("residual", "mobile-int8").contract["files"]["tflite"]["calibration"]
    images = calibration_images(data, ImageFormat(8, 8, 1), Calibration(), check=False).images
    assert entry["sha256"] == hashlib.sha256(images).hexdigest()
    assert (entry["images"], entry["seed"]) == (102, 0)
    assert "train: 100 images, seed 0; black and white" in entry["source"]
    float_file = bundle_of("residual", "mobile-float32").contract["files"]["tflite"]
    assert "calibration" not in float_file


def test_contract_holds_the_hash_of_every_other_file(
    bundle_of: Callable[[str, str], Bundle],
) -> None:
    bundle = bundle_of("residual", "mobile-int8")
    files = [path for path in bundle.path.rglob("*") if path.is_file()]
    assert "saved_model/saved_model.pb" in bundle.contract["sha256"]
    assert bundle.contract["sha256"] == {
        path.relative_to(bundle.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "contract.json"
    }


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt"])
def test_a_damaged_bundle_is_refused_by_its_hashes(
    bundle_of: Callable[[str, str], Bundle], tmp_path: Path, name: str
) -> None:
    bundle = shutil.copytree(bundle_of("residual", "mobile-float32").path, tmp_path / "bundle")
    images, _ = digits()
    [before] = predict(bundle, images[:1])
    file = bundle / name
    content = bytearray(file.read_bytes())
    # A weight, or a letter of a name: the file still loads.
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    for function in (lambda target: predict(target, images[:1]), lambda t: evaluate(t, "digits")):
        for target in (bundle, bundle / "model.tflite"):
            with pytest.raises(UserError, match="SHA-256") as caught:
                function(target)
            assert caught.value.expected != caught.value.found
            assert "contract.json" in str(caught.value.hint)
    # What the error advises removes it.
    (bundle / "contract.json").unlink()
    assert predict(bundle / "model.tflite", images[:1])[0] is not None
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert predict(bundle / "model.tflite", images[:1]) == [before]


def test_a_bundle_predicts_wherever_a_model_does(
    bundle_of: Callable[[str, str], Bundle], tmp_path: Path
) -> None:
    images, labels = digits()
    bundle = bundle_of("residual", "mobile-int8")
    assert predict(bundle.path, images[:4]) == predict(bundle.tflite, images[:4])
    by_folder, by_file = (
        evaluate(target, (images[:50], labels[:50])) for target in (bundle.path, bundle.tflite)
    )
    assert by_folder == by_file
    renamed = shutil.copytree(bundle.path, tmp_path / "bundle.tflite")
    assert predict(renamed, images[:1]) == predict(bundle.path, images[:1])
    for target in (bundle.path, bundle.tflite):
        with pytest.raises(UserError, match="already exported"):
            export(target, "server", out=tmp_path / "out")
    with pytest.raises(UserError, match="already exported"):  # it holds no .tflite
        predict(bundle_of("residual", "server").path, images[:1])


def test_nan_in_a_tflite_names_the_first_tensor(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    net = small_net("residual")
    layer = next(layer for layer in net.model.layers if layer.count_params())
    weights = layer.get_weights()
    weights[0][..., 0] = np.nan
    layer.set_weights(weights)
    bundle = export(net, "mobile-float32", out=tmp_path / "bundle", data=data, gate=False)
    images, labels = digits()
    for function in (
        lambda: predict(bundle.path, images[:1]),
        lambda: evaluate(bundle.path, (images[:20], labels[:20])),
    ):
        with pytest.raises(UserError, match="outputs are not numbers") as caught:
            function()
        assert str(caught.value.where).startswith("the tensor ")
