"""The client for servers: TensorFlow without Keras turns JPEG bytes into class names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.inference.tflite_classifier import TFLiteClassifier

from .clients import imports_of, run_client
from .conftest import CLASSES

pytestmark = pytest.mark.edge

CLIENT = "serving/classify.py"
WITHOUT = ("reszoo", "keras", "PIL", "ai_edge_litert")


def test_it_imports_tensorflow_only() -> None:
    assert imports_of(CLIENT) == {"tensorflow"}


@pytest.mark.parametrize(
    "target", ["server", pytest.param("mobile-float32", marks=pytest.mark.slow)]
)
def test_it_names_jpegs(
    bundle_of: Callable[..., Path], test_images: np.ndarray, tmp_path: Path, target: str
) -> None:
    bundle = bundle_of(target)
    files = [tmp_path / f"{index}.jpg" for index in range(10)]
    for file, image in zip(files, test_images, strict=False):
        Image.fromarray(image).save(file, quality=95)
    done = run_client(CLIENT, bundle, *files, "--repeats", 5, absent=WITHOUT)
    assert done.returncode == 0, done.stderr
    golden, *answers, time = done.stdout.splitlines()
    assert golden.startswith("golden image:") and golden.endswith("JPEG equal to its pixels")
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    network = TFLiteClassifier(bundle_of("mobile-float32") / "model.tflite")
    expected = [CLASSES[index] for index in network.probabilities(pixels).argmax(-1)]
    assert answers == [f"{file}: {name}" for file, name in zip(files, expected, strict=True)]
    assert time.endswith("ms per JPEG, median of 5")


def test_it_refuses_what_is_no_jpeg(bundle_of: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    done = run_client(CLIENT, bundle_of("server"), tmp_path / "text.jpg", absent=WITHOUT)
    assert done.returncode == 1
    assert "error:" in done.stderr
