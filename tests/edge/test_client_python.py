"""The client in Python reproduces a bundle's examples, and refuses a bundle that was changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.data import ImageFormat
from reszoo.data.images.decoding import read_image
from reszoo.data.images.numpy_resizing import resize_in_numpy

from .clients import imports_of, load_client, rewrite_contract, run_client
from .conftest import CLASSES

pytestmark = pytest.mark.edge

CLIENT = "python/classify.py"


def test_it_imports_numpy_pillow_and_litert_only() -> None:
    assert imports_of(CLIENT) == {"numpy", "PIL", "ai_edge_litert"}


@pytest.mark.parametrize("target", ["mobile-float32", "mobile-int8"])
def test_it_checks_the_golden_example_and_classifies_a_photograph(
    bundle_of: Callable[..., Path], target: str
) -> None:
    bundle = bundle_of(target)
    contract = json.loads((bundle / "contract.json").read_text())
    photo = contract["example"]["photograph"]
    done = run_client(CLIENT, bundle, bundle / photo["image"], "--repeats", 10)
    golden, answer, time = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert golden.startswith("golden ") and "largest difference" in golden
    name, probability = answer.split(": ")[1].split(", ")[0].rsplit(" ", 1)
    expected = photo["expected"]["tflite"]
    assert name == expected["class_name"]
    # The pixels differ by 1 at most, so the probabilities nearly agree.
    assert float(probability) == pytest.approx(max(expected["probabilities"]), abs=0.05)
    assert time.endswith("ms per image, median of 10")


@pytest.mark.parametrize("target", ["mobile-float32", "mobile-int8"])
def test_its_probabilities_are_those_of_reszoo(
    bundle_of: Callable[..., Path], test_images: np.ndarray, target: str
) -> None:
    from reszoo.inference.tflite_classifier import TFLiteClassifier

    bundle = bundle_of(target)
    client = load_client(CLIENT).Classifier(bundle)
    ours = TFLiteClassifier(bundle / "model.tflite").probabilities(test_images[:20])
    theirs = np.stack([client.probabilities(image) for image in test_images[:20]])
    np.testing.assert_allclose(theirs, ours, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("crop", "interpolation", "antialias"),
    [(1.0, "bilinear", True), (0.875, "bicubic", True), (0.875, "bilinear", False)],
)
def test_its_pixels_differ_by_one_at_most(
    tmp_path: Path, channels: int, crop: float, interpolation: str, antialias: bool
) -> None:
    height, width = 20, 28
    steps = {
        "height": height,
        "width": width,
        "channels": channels,
        "crop": crop,
        "resize_to_cover": [round(height / crop), round(width / crop)],
        "interpolation": interpolation,
        "antialias": antialias,
        "sixteen_bit": [100, 60000],
    }
    image_format = ImageFormat(
        height, width, channels, crop, interpolation, antialias, sixteen_bit=(100, 60000)
    )
    preprocess = load_client(CLIENT).preprocess
    for name, image in _pictures(tmp_path).items():
        expected = resize_in_numpy(read_image(image, sixteen_bit=(100, 60000)), image_format)
        with Image.open(image) as opened:
            found = preprocess(opened, steps)
        difference = np.abs(found.astype(int) - expected.astype(int)).max()
        assert difference <= 1, name


def _pictures(folder: Path) -> dict[str, Path]:
    """Files of one picture in several modes, larger and smaller than the network's size."""
    down, across = np.mgrid[0:1:61j, 0:1:47j]
    waves = [127 + 120 * np.sin(7 * down + 5 * across + shift) for shift in (0, 2, 4)]
    rgb = Image.fromarray(np.stack(waves, -1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    translucent = rgb.copy()
    translucent.putalpha(Image.fromarray((255 * across).astype(np.uint8)))
    deep = Image.fromarray((65535 * down * across).astype(np.uint16))
    small = rgb.resize((9, 7))
    images = {
        "rgb.png": (rgb, {}),
        "turned.jpg": (rgb, {"exif": exif, "quality": 90}),
        "grey.png": (rgb.convert("L"), {}),
        "palette.png": (rgb.quantize(16), {"transparency": 3}),
        "translucent.png": (translucent, {}),
        "sixteen_bit.png": (deep, {}),
        "small.png": (small, {}),
        "fitting.png": (rgb.resize((28, 20)), {}),
    }
    for name, (image, options) in images.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in images}


def _copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


def test_it_refuses_a_changed_file_by_name(bundle_of: Callable[..., Path], tmp_path: Path) -> None:
    bundle = _copy(bundle_of("mobile-int8"), tmp_path)
    (bundle / "labels.txt").write_text("\n".join(reversed(CLASSES)) + "\n")
    done = run_client(CLIENT, bundle)
    assert done.returncode == 1
    assert "labels.txt is not the file that contract.json describes" in done.stderr


def test_a_name_may_hold_a_line_separator_of_unicode(
    bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = _copy(bundle_of("mobile-int8"), tmp_path)
    names = ["gr\u00fcn\u2028links", *CLASSES[1:]]
    (bundle / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    digest = hashlib.sha256((bundle / "labels.txt").read_bytes()).hexdigest()
    rewrite_contract(bundle, lambda contract: contract["sha256"].update({"labels.txt": digest}))
    assert load_client(CLIENT).Classifier(bundle).labels == names


def test_it_refuses_another_answer_than_the_golden_one(
    bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = _copy(bundle_of("mobile-float32"), tmp_path)
    vectors = json.loads((bundle / "contract.json").read_text())["example"]["vectors"]["tflite"]
    expected = np.load(bundle / vectors["output"])
    np.save(bundle / vectors["output"], np.clip(expected + 2 * vectors["tolerance"], 0, 2))
    done = run_client(CLIENT, bundle)
    assert done.returncode == 1
    assert "golden vector" in done.stderr and "the limit is" in done.stderr


def test_it_refuses_a_contract_of_the_future(
    bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = _copy(bundle_of("mobile-float32"), tmp_path)
    rewrite_contract(bundle, lambda contract: contract.update(format_version=99))
    done = run_client(CLIENT, bundle)
    assert (done.returncode, done.stdout) == (1, "")
    assert "99" in done.stderr


def test_it_reads_a_contract_without_vectors(
    bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    """Older ones have only the golden image and its probabilities."""
    bundle = _copy(bundle_of("mobile-int8"), tmp_path)

    rewrite_contract(bundle, lambda contract: contract["example"].pop("vectors"))
    done = run_client(CLIENT, bundle, "--repeats", 0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("golden image: largest difference")
