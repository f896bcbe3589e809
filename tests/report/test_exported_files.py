import shutil
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.report.exported_files import bundles_of, card_text, read_bundle

BUNDLE = Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle"


def test_files_have_sizes_and_parity():
    bundle = read_bundle(BUNDLE)
    assert (bundle.target, bundle.gate, bundle.problem) == ("mobile-int8", "passed", None)
    tflite = next(file for file in bundle.files if file.kind == "tflite")
    assert (tflite.path, tflite.bytes, tflite.arithmetic) == ("model.tflite", 32640, "int8")
    assert (tflite.images, tflite.agreement) == (360, 1.0)
    assert tflite.latency_ms is None  # version 0.1 wrote no card


def test_the_latency_is_that_of_the_card(tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    row = "| latency | 0.0602 ms on one thread of a CPU, not the target device |\n"
    (tmp_path / "bundle" / "CARD.md").write_text(f"| | |\n|---|---|\n{row}")
    (latency,) = [
        (file.latency_ms, file.latency_on)
        for file in read_bundle(tmp_path / "bundle").files
        if file.latency_ms is not None
    ]
    assert latency == (0.0602, "one thread of a CPU, not the target device")


def test_a_damaged_bundle_has_a_problem(tmp_path):
    folder = tmp_path / "run" / "export" / "phone"
    folder.mkdir(parents=True)
    (folder / "contract.json").write_text("{")
    (bundle,) = bundles_of(tmp_path / "run")
    assert "damaged" in bundle.problem
    assert bundle.files == ()


def test_a_bundle_without_card_says_what_to_do():
    with pytest.raises(UserError, match=r"no CARD\.md") as raised:
        card_text(BUNDLE)
    assert "export" in raised.value.hint
