"""The client in C builds against LiteRT's library and reproduces the golden vector."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.inference.tflite_classifier import TFLiteClassifier

from .clients import CLIENTS
from .conftest import CLASSES

SOURCES = CLIENTS / "c"
pytestmark = [
    pytest.mark.edge,
    pytest.mark.skipif(
        not (shutil.which("gcc") and shutil.which("make")), reason="needs gcc and make"
    ),
]


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(folder), "CC=gcc", f"PYTHON={sys.executable}", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(SOURCES, tmp_path_factory.mktemp("c") / "c"))
    done = make(folder)
    assert done.returncode == 0, done.stderr
    return folder / "classify"


def classify(program: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in (program, *arguments)]
    return subprocess.run(words, capture_output=True, text=True, errors="replace")


@pytest.mark.parametrize(
    "target",
    ["mobile-float32", pytest.param("mobile-float16", marks=pytest.mark.slow), "mobile-int8"],
)
def test_it_checks_the_golden_vector_and_classifies(
    program: Path,
    bundle_of: Callable[..., Path],
    test_images: np.ndarray,
    tmp_path: Path,
    target: str,
) -> None:
    bundle = bundle_of(target)
    files = [tmp_path / f"{index}.ppm" for index in range(10)]
    for file, image in zip(files, test_images, strict=False):
        Image.fromarray(image).save(file)
    done = classify(program, bundle, *files)
    assert done.returncode == 0, done.stderr
    golden, *answers, time = done.stdout.splitlines()
    assert golden.startswith("golden vector: largest difference")
    ours = TFLiteClassifier(bundle / "model.tflite").probabilities(test_images[:10])
    for file, answer, row in zip(files, answers, ours, strict=True):
        name, probability = answer.removeprefix(f"{file}: ").rsplit(" ", 1)
        assert name == CLASSES[row.argmax()]
        assert float(probability) == pytest.approx(row.max(), abs=1e-3)
    assert time.endswith("ms per image, median of 100")


def test_it_reads_a_file_of_int8_at_both_ends(
    program: Path, bundle_of: Callable[..., Path]
) -> None:
    done = classify(program, bundle_of("microcontroller"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("golden vector of the reference kernels:")


def test_it_refuses_another_answer(
    program: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(bundle_of("mobile-float32"), tmp_path / "bundle"))
    vectors = json.loads((bundle / "contract.json").read_text())["example"]["vectors"]["tflite"]
    expected = np.load(bundle / vectors["output"])
    np.save(bundle / vectors["output"], expected + np.float32(2 * vectors["tolerance"]))
    done = classify(program, bundle)
    assert done.returncode == 1
    assert "golden vector: differs by more than the limit" in done.stderr


def test_it_refuses_an_image_of_another_size(
    program: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    Image.new("RGB", (31, 32)).save(tmp_path / "small.ppm")
    done = classify(program, bundle_of("mobile-float32"), tmp_path / "small.ppm")
    assert done.returncode == 1
    assert "small.ppm: is not an 8-bit P6 image of the input size" in done.stderr


def test_it_refuses_a_library_of_another_version_at_build(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SOURCES, tmp_path / "c"))
    for version in ("20103", "20400"):
        done = make(folder, f"VERSION={version}")
        assert done.returncode != 0
        assert "these prototypes are those of ai-edge-litert 2.3" in done.stderr
        assert not (folder / "classify").exists()


def test_it_declares_sixteen_functions_of_the_library() -> None:
    import ai_edge_litert

    source = (SOURCES / "classify.c").read_text()
    declared = [
        line.split("(")[0].removeprefix("int ")
        for line in source.splitlines()
        if line.startswith("int LiteRt")
    ]
    library = (Path(ai_edge_litert.__path__[0]) / "libLiteRt.so").read_bytes()
    assert len(declared) == 16
    assert [name for name in declared if name.encode() + b"\0" not in library] == []
