"""The int8 file of a digits network that version 0.1 exported: read without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

BUNDLE = Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle"


@pytest.fixture(scope="session")
def digits_file() -> bytes:
    return (BUNDLE / "model.tflite").read_bytes()
