"""16-bit grey images: their range becomes 0..255, the same wherever an image is read."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from reszoo import train
from reszoo.cli.program import main
from reszoo.data import ImageFormat
from reszoo.data.images.decoding import read_image, to_8_bits
from reszoo.data.images.resizing import resize_to_format
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.previews.findings import findings
from reszoo.spec.augmentation import Augmentation, RandomResizedCrop
from tests.data.conftest import encoded, odd_images, sixteen_bit_rgb, twelve_bit

SPEC = """
name: small
classes: 2
input: {shape: [20, 30, 1], mean: 127.5, std: 127.5, sixteen_bit: full_range}
stem: {filters: 4}
stages: [{depth: 1, width: 4}]
"""


def cameras(write, form="PNG"):
    """Two classes of 12-bit pictures, a dark and a bright one, in two splits."""
    files = {}
    for seed, split in enumerate(("train", "test")):
        for number in range(20 if split == "train" else 6):
            pixels = 20 + (twelve_bit(1 + seed * 100 + number) - 20) // 2
            pixels[0, 0] = 20
            files[f"{split}/dark/{number}.{form.lower()}"] = encoded(pixels, form)
            files[f"{split}/light/{number}.{form.lower()}"] = encoded(239 - pixels, form)
    return write(files)


def test_a_range_becomes_0_to_255():
    values = np.array([[[20], [21], [119], [219], [0], [65535]]], np.uint16)
    assert to_8_bits(values, (20, 219)).ravel().tolist() == [0, 1, 127, 255, 0, 255]
    assert to_8_bits(values, None).ravel().tolist() == [0, 0, 0, 0, 0, 255]
    every = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256, 1)
    exact = np.rint(np.clip((every.astype(float) - 9) * 255 / 4000, 0, 255))
    assert np.abs(to_8_bits(every, (9, 4009)) - exact).max() <= 1  # Halves are rounded up.


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("crops", [True, False])
def test_training_sees_the_pixels_that_prediction_sees(write, data_dir, in_memory, crops):
    names = [name for name in odd_images() if name.endswith(("png", "tiff", "tif"))]
    folder = write(
        {
            f"{split}/{c}/{n}": odd_images()[n]
            for split in ("train", "test")
            for c in "ab"
            for n in names
        }
    )
    data = open_data(f"folder:{folder}", data_dir=data_dir)
    image_format = ImageFormat(20, 30, 1, sixteen_bit=(20, 219))
    crop = RandomResizedCrop(area=(1.0, 1.0), ratio=(1.5, 1.5))
    options = {"seed": 0, "augmentation": Augmentation(resized_crop=crop)} if crops else {}
    split = data.split("train")
    images = np.concatenate(
        [x for x, _ in batches(split, image_format, batch_size=9, in_memory=in_memory, **options)]
    )
    expected = [
        resize_to_format(read_image(folder / "train/a" / name, (20, 219)), image_format)
        for name in names
    ]
    if not crops:
        for image in images:
            assert any(np.array_equal(image, other) for other in expected)
    deep = to_8_bits(twelve_bit(2)[..., None], (20, 219))
    assert sum(np.array_equal(image, deep) for image in images) == 4


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_narrow_range_is_said_with_what_to_set(write, data_dir, form):
    data = open_data(f"folder:{cameras(write, form)}", data_dir=data_dir)
    (note,) = findings(data)
    assert re.search(r"values of 20 to 219 out of 65,535.* keeps 1 level;", note)
    assert "--set input.sixteen_bit=full_range" in note
    assert findings(data, "full_range") == []


def test_a_narrow_range_of_colour_is_said(write, data_dir):
    dark = 60 * np.ones((9, 9, 3), np.uint16)
    files = {f"{c}/{n}.png": tf.io.encode_png(dark + n).numpy() for c in "ab" for n in range(5)}
    note, *_ = findings(open_data(f"folder:{write(files)}", data_dir=data_dir))
    assert "16-bit colour images hold values of 60 to 64" in note
    whole = {f"{c}/1.png": sixteen_bit_rgb() for c in "ab"}
    assert findings(open_data(f"folder:{write(whole, 'whole')}", data_dir=data_dir)) == []


def test_a_full_range_is_carried_through_every_path(write, data_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RESZOO_DATA", str(data_dir))
    monkeypatch.chdir(tmp_path)
    folder = cameras(write)
    (tmp_path / "small.yaml").write_text(SPEC)

    def reszoo(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out if words[0] != "train" else captured.out + captured.err

    high = reszoo("train", "small.yaml", "--data", f"folder:{folder}", "--epochs", 1,
                  "--set", "input.sixteen_bit=high_byte", "-o", "high")  # fmt: skip
    assert "note: 16-bit images hold values of 20 to 219" in high
    train("small.yaml", f"folder:{folder}", epochs=20, stop_after=10, out="run", quiet=True)
    assert "sixteen_bit: [20, 219]" in (tmp_path / "run/architecture.yaml").read_text()
    reszoo("resume", "run")
    evaluated = json.loads(reszoo("evaluate", "run", "--json"))
    assert evaluated["accuracy"] > 0.9
    pictures = sorted((folder / "test/dark").iterdir())
    predicted = json.loads(reszoo("predict", "run", *pictures, "--json"))
    assert [row["classes"][0] for row in predicted].count("dark") >= 5
    reszoo("export", "run", "--target", "mobile-int8", "-o", "bundle", "--no-gate")
    contract = json.loads((tmp_path / "bundle/contract.json").read_text())
    assert contract["preprocessing"]["sixteen_bit"] == [20, 219]
    assert "(510 (v - 20) + 199) // 398" in contract["preprocessing"]["steps"][0]
    on_device = json.loads(reszoo("predict", "bundle/model.tflite", *pictures, "--json"))
    for row, exported in zip(predicted, on_device, strict=True):
        assert row["classes"] == exported["classes"]
        np.testing.assert_allclose(row["probabilities"], exported["probabilities"], atol=0.05)


def test_an_unmeasured_range_is_no_high_byte(data_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RESZOO_DATA", str(data_dir))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SPEC)
    Image.fromarray(twelve_bit(1)).save("deep.png")
    assert main(["build", "small.yaml", "-o", "small.keras"]) == 0
    assert main(["predict", "small.keras", "deep.png"]) == 2
    assert "has not been measured" in capsys.readouterr().err
    assert main(["train", "small.yaml", "--data", "digits", "--epochs", "1"]) == 2
    assert "--set input.sixteen_bit=high_byte" in capsys.readouterr().err
    assert main(["build", "small.yaml", "--set", "input.sixteen_bit=[9,9]"]) == 2
    assert "two rising numbers" in capsys.readouterr().err
