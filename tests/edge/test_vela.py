"""Vela leaves no operator of a file for an Ethos-U to the processor."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reszoo.spec import load_target

pytestmark = pytest.mark.edge
pytest.importorskip("ethosu.vela", reason="needs ethos-u-vela: pip install reszoo[edge]")

ACCELERATORS = {
    "ethos-u55": "ethos-u55-128",
    "ethos-u65": "ethos-u65-256",
    "ethos-u85": "ethos-u85-256",
}


def processor_operators(file: Path, accelerator: str, folder: Path) -> int:
    """The operators that stay on the processor."""
    command = [Path(sys.executable).with_name("vela"), file, "--output-dir", folder]
    done = subprocess.run(
        [*map(str, command), "--accelerator-config", accelerator], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"CPU operators = (\d+)", done.stdout)[1])


@pytest.mark.parametrize("connection", ["residual", "highway"])
@pytest.mark.parametrize("target", ACCELERATORS)
def test_no_operator_stays_on_the_processor(
    bundle_of: Callable[..., Path], tmp_path: Path, target: str, connection: str
) -> None:
    file = bundle_of("ethos-u55", connection) / "model.tflite"
    assert processor_operators(file, ACCELERATORS[target], tmp_path) == 0


@pytest.mark.parametrize("target", ACCELERATORS)
def test_the_targets_write_the_same_file(target: str) -> None:
    """So that the test above exports it once."""
    first, other = load_target("ethos-u55"), load_target(target)
    assert other.vela.accelerator == ACCELERATORS[target]
    names = {"name": first.name, "title": first.title, "source": first.source, "vela": first.vela}
    assert other.model_copy(update=names) == first


def test_a_float_output_leaves_one(bundle_of: Callable[..., Path], tmp_path: Path) -> None:
    """Why these targets give int8, and that what the test above reads is a count."""
    file = bundle_of("mobile-int8") / "model.tflite"
    assert processor_operators(file, "ethos-u55-128", tmp_path) == 1
