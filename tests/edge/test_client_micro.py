"""The sources for TFLite-Micro hold exactly what the bundle holds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .clients import imports_of, load_client, rewrite_contract, run_client

pytestmark = pytest.mark.edge

GENERATE = "micro/generate.py"


@pytest.fixture(scope="module")
def generated(bundle_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("micro") / "generated"
    done = run_client(GENERATE, bundle_of("microcontroller"), folder, absent=("reszoo", "numpy"))
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def array_of(source: str, name: str) -> bytes:
    """The values of an array of the generated sources."""
    values = re.search(rf"\b{name}\[\d+\] = \{{(.*?)\}};", source, re.S)[1]
    return bytes(
        int(value, 0) % 256 for value in values.replace("\n", " ").split(",") if value.strip()
    )


def test_it_imports_nothing_but_the_standard_library() -> None:
    assert imports_of(GENERATE) == set()


def test_the_arrays_are_the_bundle_s_files(generated: Path, bundle_of: Callable[..., Path]) -> None:
    bundle = bundle_of("microcontroller")
    source = (generated / "model_data.cc").read_text()
    assert array_of(source, "kModel") == (bundle / "model.tflite").read_bytes()
    assert "alignas(16) const unsigned char kModel" in source
    golden = (generated / "golden.h").read_text()
    for name in ("golden_input", "golden_output"):
        assert array_of(golden, name) == np.load(bundle / f"{name}.npy").tobytes()
    pixels = np.asarray(Image.open(bundle / "golden.png"))
    assert array_of((generated / "picture.h").read_text(), "kPicture") == pixels.tobytes()


def test_arena_and_operators_are_those_of_the_contract(
    generated: Path, bundle_of: Callable[..., Path]
) -> None:
    contract = json.loads((bundle_of("microcontroller") / "contract.json").read_text())
    entry = contract["files"]["tflite"]
    header = (generated / "model_data.h").read_text()
    assert int(re.search(r"kArenaBytes = (\d+);", header)[1]) == entry["arena"]["bytes"]
    resolver = (generated / "operators.h").read_text()
    method = load_client(GENERATE).method
    assert sorted(re.findall(r"r\.(Add\w+)\(\)", resolver)) == sorted(
        method(name) for name in entry["operators"]
    )
    assert f"MicroMutableOpResolver<{len(entry['operators'])}>" in resolver


def test_the_methods_of_the_resolver_are_those_of_tflite_micro() -> None:
    method = load_client(GENERATE).method
    names = ("CONV_2D", "PADV2", "AVERAGE_POOL_2D", "RELU6", "HARD_SWISH", "MEAN", "ADD_N")
    assert [method(name) for name in names] == [
        "AddConv2D",
        "AddPadV2",
        "AddAveragePool2D",
        "AddRelu6",
        "AddHardSwish",
        "AddMean",
        "AddAddN",
    ]


def test_labels_of_any_letters_become_c_strings() -> None:
    literal = load_client(GENERATE)._c_string('naïve "??=\\1')
    assert literal == r'"na\303\257ve \042\077\077=\1341"'


def test_a_picture_of_the_network_s_size_is_taken(
    bundle_of: Callable[..., Path], test_images: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(test_images[3]).save(tmp_path / "cat.ppm")
    arguments = (bundle_of("microcontroller"), tmp_path / "out", "--picture")
    done = run_client(GENERATE, *arguments, tmp_path / "cat.ppm")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "out" / "picture.h").read_text()
    assert array_of(written, "kPicture") == test_images[3].tobytes()
    Image.fromarray(test_images[3]).resize((31, 32)).save(tmp_path / "cat.ppm")
    done = run_client(GENERATE, *arguments, tmp_path / "cat.ppm")
    assert done.returncode == 1
    assert "is not an image with the header: P6 32 32 255" in done.stderr


def test_it_refuses_a_bundle_of_another_target(
    bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    done = run_client(GENERATE, bundle_of("mobile-int8"), tmp_path / "out")
    assert done.returncode == 1
    assert "export for the target microcontroller" in done.stderr
    assert not (tmp_path / "out").exists()


def test_it_refuses_a_changed_model(bundle_of: Callable[..., Path], tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(bundle_of("microcontroller"), tmp_path / "bundle"))
    rewrite_contract(bundle, lambda contract: contract["sha256"].update({"model.tflite": "0"}))
    done = run_client(GENERATE, bundle, tmp_path / "out")
    assert done.returncode == 1
    assert "model.tflite is not the file that contract.json describes" in done.stderr
