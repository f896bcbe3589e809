"""`reszoo inspect` prints what is in a `.tflite`, for people and for programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.tflite import arena
from tests.cli.conftest import refused

BUNDLE = Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle"


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch):
    monkeypatch.setattr(arena, "measured_arena", lambda *_: None)


def test_a_bundle_is_printed(reszoo):
    result = reszoo("inspect", BUNDLE)
    assert (result.code, result.err) == (0, "")
    for line in (
        "  size     32,640 bytes, of which weights 19,418",
        "  input    serving_default_image:0  1x8x8x1  uint8  scale 1, zero point 0",
        "CONV_2D              2  int8             1x8x8x8             1x8x8x8",
        "in all              21",
        "  unfused  2 PAD of channels: a shortcut without parameters (option A)",
        "  arena         8,940 bytes in TFLite-Micro",
        "  its own       7,404 bytes, estimated",
        "6 ADD                      1,536  " + 40 * "#",
        "mobile-int8           yes   -",
    ):
        assert line in result.out.splitlines(), line


def test_json_holds_every_operator_and_number(reszoo):
    result = reszoo("inspect", BUNDLE / "model.tflite", "--json")
    facts = json.loads(result.out)
    assert len(facts["operators"]) == 21
    assert facts["operator_counts"]["CONV_2D"] == 7
    assert facts["operators"][3] == {
        "name": "CONV_2D",
        "kind": "builtin",
        "version": 3,
        "precision": "int8",
        "inputs": [[1, 8, 8, 1]],
        "outputs": [[1, 8, 8, 8]],
        "activation": "RELU",
    }
    assert facts["arena"]["bytes"] == 8940
    assert len(facts["arena"]["live_bytes"]) == 22
    assert facts["metadata"] is None
    assert facts["targets"]["mobile-int8"] == {"fits": True, "problems": []}
    assert not facts["targets"]["mobile-float32"]["fits"]


@pytest.mark.parametrize("target, code", [("mobile-int8", 0), ("mobile-float32", 1), ("server", 1)])
def test_a_named_target_decides_the_exit_code(reszoo, target, code):
    result = reszoo("inspect", BUNDLE, "--target", target)
    assert result.code == code
    assert f"\n{target}" in result.out


def test_a_damaged_file_is_refused(reszoo, tmp_path):
    file = tmp_path / "x.tflite"
    file.write_bytes((BUNDLE / "model.tflite").read_bytes()[:5000])
    refused(reszoo("inspect", file), "x.tflite is damaged", "copy the file again")


def test_other_mistakes_say_what_to_do(reszoo, tmp_path):
    refused(
        reszoo("inspect", "none.tflite"),
        "there is no file none.tflite",
        "write the path of what is there",
    )
    refused(reszoo("inspect", tmp_path), "holds no model.tflite", "--target mobile-int8")
    refused(reszoo("inspect", BUNDLE, "--target", "mobil-int8"), "did you mean 'mobile-int8'")


def test_it_imports_no_tensorflow(tmp_path):
    program = (
        "import sys; from reszoo.cli import main; code = main(sys.argv[1:])\n"
        "print(code, {'tensorflow', 'keras'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "inspect", str(BUNDLE)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == "0 set()\n"
