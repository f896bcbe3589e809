"""The benchmarks import timm beside any torchvision; here, torch and both are fakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

TORCH = """\
import types

operators = set()

class Library:
    def __init__(self, namespace, kind):
        self.namespace = namespace

    def define(self, schema):
        name = f"{self.namespace}::{schema.partition('(')[0]}"
        if name in operators:
            raise RuntimeError(f"{name} is registered already")
        operators.add(name)

library = types.SimpleNamespace(Library=Library)
"""
# Built for this torch, its operators come from a shared object, which aborts where they exist.
MATCHING = """\
import os, torch
for name in ("torchvision::nms", "torchvision::qnms"):
    if name in torch.operators:
        os.abort()
    torch.operators.add(name)
"""
# Built for another one, it has none, and describes them all the same.
FOREIGN = """\
import torch
for name in ("torchvision::nms", "torchvision::qnms"):
    if name not in torch.operators:
        raise RuntimeError(f"operator {name} does not exist")
"""


@pytest.mark.parametrize("torchvision", [MATCHING, FOREIGN], ids=["matching", "foreign"])
def test_timm_is_imported_beside_any_torchvision(torchvision: str, tmp_path: Path) -> None:
    for name, text in (
        ("torch", TORCH),
        ("torchvision", torchvision),
        ("timm", "import torchvision\n"),
    ):
        (tmp_path / f"{name}.py").write_text(text)
    code = "from timm_parity import import_timm; print(import_timm().__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{BENCHMARKS}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "timm\n"), done.stderr
