"""`reszoo benchmark` times a `.tflite` without TensorFlow, and says what the numbers are of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.exporting.benchmark import _rounds
from reszoo.system_info import inference_flags
from tests.cli.conftest import refused

BUNDLE = Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle"
FILE = BUNDLE / "model.tflite"


def test_a_file_is_timed_without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('not here')")
    variables = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}
    command = [sys.executable, "-m", "reszoo", "benchmark", str(FILE), "--images", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "times of this machine's CPU, not of a phone, a microcontroller" in text
    assert "runtime ai-edge-litert 2." in text
    assert "Before the timed calls:" in text
    assert ", ".join(inference_flags()) in text


def test_json_holds_every_measurement_and_every_pair(reszoo):
    words = ("--threads", "1,2", "--images", 30, "--vs", FILE, "--json")
    result = reszoo("benchmark", BUNDLE, *words)
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert content["device"] == "this machine"
    assert (content["network"], content["versus"]) == (str(BUNDLE), str(FILE))
    sides = [(each["network"], each["threads"], each["batch"]) for each in content["timings"]]
    assert sides == [(str(path), count, 1) for count in (1, 2) for path in (BUNDLE, FILE)]
    for timing in content["timings"]:
        assert (timing["calls"], timing["warm_up_calls"]) == (30, 10)
        assert 0 < timing["wall"]["median"] <= timing["wall"]["p90"] <= timing["wall"]["p99"]
        assert timing["processor"]["median"] > 0
        assert timing["images_per_second"] > 0
        if sys.platform != "win32":
            assert timing["peak_bytes"] >= timing["runtime_bytes"] > 1e6
    for pair in content["pairs"]:
        # The same file on both sides.
        assert len(pair["processor"]) == len(pair["wall"]) == 20
        assert all(ratio > 0 for ratio in pair["processor"])


def test_a_changed_file_of_a_bundle_is_not_timed(reszoo, tmp_path):
    shutil.copytree(FILE.parent, tmp_path / "bundle")
    contract = json.loads((FILE.parent / "contract.json").read_text())
    contract |= {"format_version": 2, "sha256": {"model.tflite": "0" * 64}}
    (tmp_path / "bundle" / "contract.json").write_text(json.dumps(contract))
    refused(reszoo("benchmark", "bundle"), "not the file that its contract describes", "0" * 64)


def test_pairs_are_printed_with_their_spread(reszoo):
    result = reszoo("benchmark", FILE, "--images", 4, "--vs", BUNDLE)
    assert result.code == 0, result.err
    assert f"{FILE} / {BUNDLE}, 1 thread, 4 pairs of alternating rounds:" in result.out
    assert "ratio      median  lower quartile  upper quartile" in result.out
    [line] = [line for line in result.out.splitlines() if line.startswith("CPU ratio of each")]
    assert len(line.partition(": ")[2].split()) == 4


@pytest.mark.parametrize(
    ("batch", "images", "seconds", "calls"),
    [
        (1, 30, 1e-6, 30),
        (32, 30, 1e-6, 3),
        (1, None, 1.0, 200),
        (1, None, 0.001, 500),
        (1, None, 1e-7, 20_000),
        (32, None, 10.0, 6),
    ],
)
def test_small_networks_are_called_more_often(batch, images, seconds, calls):
    rounds = list(_rounds(batch, images, seconds))
    assert sum(rounds) == calls
    assert len(rounds) == min(20, calls)
    assert max(rounds) - min(rounds) <= 1


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["none.tflite"], ["there is no file none.tflite"]),
        (["none"], ["there is no file or folder none", "a .tflite file, a run folder"]),
        ([FILE, "--vs", "none"], ["there is no file or folder none", "what is there"]),
        ([FILE, "--threads", "0"], ["--threads cannot be '0'", "write numbers such as 1,2"]),
        ([FILE, "--threads", "1,x"], ["--threads cannot be '1,x'", "such as 1,2"]),
        ([FILE, "--images", "0"], ["--images cannot be '0'", "a whole number from 1"]),
        (
            ["cut.tflite"],
            ["cut.tflite is damaged, or is not a .tflite file", "copy the file again"],
        ),
    ],
)
def test_mistakes_are_refused(reszoo, words, texts):
    Path("cut.tflite").write_bytes(FILE.read_bytes()[:3000])
    refused(reszoo("benchmark", *words), *texts)
