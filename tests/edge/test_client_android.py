"""The Kotlin sources, which nothing here compiles, read what a contract has, and say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .clients import CLIENTS

pytestmark = pytest.mark.edge

ANDROID = CLIENTS / "android"


def keys_of(value: object) -> set[str]:
    """Every key of a JSON document, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_every_key_that_they_read_is_in_a_contract(bundle_of: Callable[..., Path]) -> None:
    contract = json.loads((bundle_of("mobile-float32") / "contract.json").read_text())
    sources = "".join(file.read_text() for file in ANDROID.glob("*.kt"))
    read = set(re.findall(r'\.get\w+\("(\w+)"\)', sources)) | {"inputs", "outputs"}
    assert {"format", "vectors", "resize_to_cover", "mediapipe"} <= read
    assert read - {"why"} <= keys_of(contract)


def test_the_page_says_that_they_were_not_run() -> None:
    words = " ".join((ANDROID / "README.md").read_text().split())
    assert "neither compiled nor run here" in words
