"""Programs that use reszoo see none of TensorFlow's messages, and all of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.quiet_import import LEVEL, quiet_import

RUN = Path(__file__).parent / "fixtures" / "v0_1" / "finished"
PROGRAM = """
import sys, numpy as np, reszoo
run, out = sys.argv[1:]
picture = np.zeros((8, 8, 1), np.uint8)
reszoo.predict(run, picture)
run = reszoo.train("resnet8_digits", epochs=1, out=out, quiet=True, test=False)
reszoo.evaluate(run, mistakes=f"{out}.png")
reszoo.predict(reszoo.export(run, target="mobile-float32").path, picture)
"""
NOISE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795950851.777290    6392 port.cc:153] oneDNN custom operations are on.\n"
    "2026-11-29 10:20:00.123456: I tensorflow/core/util/port.cc:153] oneDNN is on.\n"
)


def test_a_program_that_predicts_trains_and_exports_prints_nothing(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != LEVEL}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(RUN), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def first_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


@pytest.mark.parametrize("level", [None, "3"])
def test_other_messages_and_errors_pass(first_import, monkeypatch, capfd, level):
    monkeypatch.setenv(LEVEL, level) if level else monkeypatch.delenv(LEVEL, raising=False)
    with pytest.raises(ImportError, match="no GPU today"), quiet_import():
        os.write(2, (NOISE + "warning of another package\n").encode())
        raise ImportError("no GPU today")
    assert capfd.readouterr().err == "warning of another package\n"


def test_whoever_asks_for_messages_sees_them(first_import, monkeypatch, capfd):
    monkeypatch.setenv(LEVEL, "0")
    with quiet_import():
        os.write(2, NOISE.encode())
    assert capfd.readouterr().err == NOISE
