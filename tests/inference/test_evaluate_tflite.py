"""A `.tflite` is evaluated on a folder and on the digits without TensorFlow, with equal results."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo import spec
from reszoo.data import open_data as open_module
from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.model.build import build

TINY = {
    "name": "tiny",
    "input": {"shape": [8, 8, 1], "mean": 128, "std": 128},
    "stem": {"filters": 4, "kernel": 3},
    "block": {"transform": "basic", "connection": "residual"},
    "stages": [{"depth": 1, "width": 4}],
    "classes": 10,
}
WITHOUT_TENSORFLOW = (
    "import sys; from reszoo.cli import main; code = main(sys.argv[1:]); "
    "assert not {'tensorflow', 'keras'} & set(sys.modules), 'TensorFlow was imported'; "
    "sys.exit(code)"
)


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    """A small network with random weights, as a plain float .tflite of probabilities."""
    import keras
    import tensorflow as tf

    model = build(spec.from_mapping(TINY, "architecture"), seed=1)
    image = keras.Input((8, 8, 1), batch_size=1)
    probabilities = keras.layers.Softmax()(model(image))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, probabilities))
    file = tmp_path_factory.mktemp("tflite") / "model.tflite"
    file.write_bytes(converter.convert())
    return file


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Ten classes of odd sizes: grey, colour, palette, transparent, 16-bit and turned pictures."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for split, count in (("train", 2), ("test", 3)):
        for label in range(10):
            folder = root / split / str(label)
            folder.mkdir(parents=True)
            for number in range(count):
                size = (5 + label, 7 + number, 3)
                pixels = random.integers(0, 256, size, np.uint8)
                image = Image.fromarray(pixels)
                name = folder / f"{number}.png"
                if label == 1:
                    image = image.convert("L")
                elif label == 2:
                    image = image.convert("P")
                elif label == 3:
                    image.putalpha(120)
                elif label == 4:
                    image = Image.fromarray(random.integers(0, 65536, size[:2], np.uint16))
                elif label > 6:
                    name = name.with_suffix(".jpg")
                image.save(name)
    return root


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize("views", [1, "flip"])
@pytest.mark.parametrize("split", ["test", "all", "train+test"])
def test_a_folder_gives_the_same_with_and_without_tensorflow(
    tflite, photos, tmp_path, views, split
):
    word = f"folder:{photos}"
    prepared = open_module.open_data(word, data_dir=tmp_path)
    with_tensorflow = evaluate(tflite, prepared, split=split, views=views)
    without = evaluate(tflite, word, split=split, views=views)
    expected, found = with_tensorflow.to_dict(), without.to_dict()
    assert found.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-12)
    assert found == expected


def test_the_digits_give_the_same_with_and_without_tensorflow(tflite):
    expected = evaluate(tflite, open_module.open_data("digits")).to_dict()
    found = evaluate(tflite, "digits").to_dict()
    assert found.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-12)
    assert found == expected


def test_a_slice_is_of_the_prepared_order(tflite, photos, tmp_path):
    word = f"folder:{photos}"
    prepared = open_module.open_data(word, data_dir=tmp_path)
    expected = evaluate(tflite, prepared, split="test[:40%]")
    assert evaluate(tflite, word, split="test[:40%]", data_dir=tmp_path) == expected


@pytest.mark.parametrize("data", ["digits", "folder"])
def test_the_command_imports_no_tensorflow(tflite, photos, data):
    word = data if data == "digits" else f"folder:{photos}"
    words = ["evaluate", str(tflite), "--data", word, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *words], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == evaluate(tflite, word).to_dict()


def test_broken_files_of_the_split_are_named_or_skipped(tflite, photos, tmp_path):
    root = tmp_path / "photos"
    for label in range(10):
        (root / "test" / str(label)).mkdir(parents=True)
        (root / "train" / str(label)).mkdir(parents=True)
        for split in ("train", "test"):
            source = next((photos / split / str(label)).iterdir())
            (root / split / str(label) / source.name).write_bytes(source.read_bytes())
    (root / "test" / "3" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"1 of 11 images cannot be read[^~]*3/cut.png"):
        evaluate(tflite, f"folder:{root}")
    skipped = evaluate(tflite, f"folder:{root}", skip_bad_images=True)
    assert skipped.examples == 10
    # A mistake names its own file, although a broken one lies before it.
    names = [score.name for score in skipped.classes]
    assert {Path(each.path).parent.name for each in skipped.mistakes} == {
        names[each.label] for each in skipped.mistakes
    }
    assert len(skipped.mistakes) > 6


def test_mistakes_have_the_same_files_and_pictures_with_and_without_tensorflow(
    tflite, photos, tmp_path
):
    word = f"folder:{photos}"
    prepared = open_module.open_data(word, data_dir=tmp_path)

    def shown(evaluation):
        return {
            (each.path, Image.open(io.BytesIO(each.png)).tobytes() if each.png else None)
            for each in evaluation.mistakes
        }

    expected, found = shown(evaluate(tflite, prepared)), shown(evaluate(tflite, word))
    assert found == expected
    assert all(Path(path).is_relative_to(photos / "test") for path, _ in found)
