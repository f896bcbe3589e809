"""A way to run commands in this process, and one tiny run that several commands are tried on."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import pytest

from reszoo.cli import main

TINY = """\
name: tiny
input: {shape: [8, 8, 1], mean: 128, std: 128}
stem: {filters: 4, kernel: 3}
block: {transform: basic, connection: residual}
stages:
  - {depth: 1, width: 4}
classes: 10
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


def call(*words: object) -> Result:
    """Runs `reszoo words...` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Result(code, out.getvalue(), err.getvalue())


def refused(result: Result, *expected: str, code: int = 2) -> None:
    """The command failed with that code and one clear message, without a traceback."""
    assert result.code == code, result.err
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
    for text in expected:
        assert text in result.err


@pytest.fixture
def reszoo(tmp_path, monkeypatch):
    """`call`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return call


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A file with a network of a thousand weights for the digits."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A network that `reszoo train` trained on the digits for two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    run = folder / "run"
    trained = call("train", folder / "tiny.yaml", "--epochs", 2, "--seed", 3, "-o", run)
    assert trained.code == 0, trained.err
    return run
