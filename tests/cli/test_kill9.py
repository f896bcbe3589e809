"""kill -9 at seeded file operations: a result is the old one or the new one, and nothing stays.

    pytest -m slow -s tests/cli/test_kill9.py

kills every command at twenty moments and prints them; a quick run kills each at three.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reszoo.cli import main
from tests.kills import leftovers, moments, operations, start, wait_for_orphans

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of Unix")

SPEC = """\
name: tiny
input: {shape: [8, 8, 1], mean: 128, std: 128}
stem: {filters: 8, kernel: 3}
block: {transform: basic, connection: residual}
stages:
  - {depth: 1, width: 8}
classes: 10
"""
SIGKILLED = -9
COUNTS = [3, pytest.param(20, marks=pytest.mark.slow)]


@dataclass(frozen=True)
class Command:
    """A command that writes to one path, and what tells its results apart."""

    words: Callable[[str], list[str]]
    """Its words but for `-o`; `old` or `new` chooses the result."""
    out: str
    result: Callable[[Path], str]
    """A hash of the result, which must be whole."""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bundle_hash(path: Path) -> str:
    """The hash of a bundle's contract, whose own hashes must be those of the files."""
    contract = json.loads((path / "contract.json").read_text())
    hashes = contract["sha256"]
    assert hashes == {name: sha256(path / name) for name in hashes}
    return sha256(path / "model.tflite")


COMMANDS = {
    "build": Command(
        lambda which: ["build", "tiny.yaml", "--seed", {"old": "1", "new": "2"}[which]],
        "net.keras",
        sha256,
    ),
    "deepen": Command(
        lambda which: [
            *("deepen", "start.keras", "--seed", "1"),
            *("--depths", {"old": "2", "new": "3"}[which]),
        ],
        "deeper.keras",
        sha256,
    ),
    "export": Command(
        lambda which: [
            *("export", {"old": "start.keras", "new": "other.keras"}[which]),
            *("--target", "mobile-float32", "--set", "gate.images=8"),
        ],
        "bundle",
        bundle_hash,
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPEC)
    for name, seed in (("start", "1"), ("other", "2")):
        assert main(["build", "tiny.yaml", "--seed", seed, "-o", f"{name}.keras"]) == 0
    return tmp_path


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_the_old_result_or_the_new(name, count, here):
    command = COMMANDS[name]
    folder = here / "out"
    folder.mkdir()
    out = folder / command.out

    def run(which: str) -> str:
        assert main([*command.words(which), "-o", str(out)]) == 0
        return command.result(out)

    new = run("new")
    code, printed = start([*command.words("new"), "-o", str(out)], folder, here / "count")
    assert code == 0, printed
    old = run("old")
    assert old != new
    seen = set()
    for moment in moments(count, operations(here / "count")):
        log = here / f"{moment}"
        code, printed = start([*command.words("new"), "-o", str(out)], folder, log, moment)
        assert code == SIGKILLED, printed
        result = command.result(out)
        print(f"{name}, operation {moment}: the {'old' if result == old else 'new'} result")
        assert result in (old, new)
        seen.add(result)
        assert run("old") == old
        assert os.listdir(folder) == [command.out]
        assert leftovers(folder) == []
    assert old in seen


WORDS = ["train", "tiny.yaml", "--supervise", "--epochs", "2", "--seed", "5", "--set-recipe"]
WORDS += ["batch=256", "--checkpoint-every", "2", "-o"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("victim", ["self", "parent"])
def test_a_killed_supervised_training_ends_as_one_that_nobody_killed(victim, count, here):
    """The child is started again; where its supervisor dies, the child stops by itself."""
    code, printed = start([*WORDS, str(here / "whole")], here / "whole", here / "count")
    assert code == 0, printed
    metrics = (here / "whole" / "metrics.jsonl").read_bytes()
    network = (here / "whole" / "model.keras").read_bytes()
    for moment in moments(count, operations(here / "count"), seed=1):
        run, log = here / f"run-{moment}", here / f"log-{moment}"
        code, printed = start([*WORDS, str(run)], run, log, moment, victim)
        seconds = wait_for_orphans(log)
        print(f"{victim} killed at operation {moment}: exit code {code}, alone for {seconds:.1f} s")
        assert (log / "killed").exists(), printed
        if victim == "parent":
            assert code == SIGKILLED, printed
            code, printed = start([*WORDS, str(run)], run, here / f"again-{moment}")
        assert code == 0, printed
        assert (run / "metrics.jsonl").read_bytes() == metrics
        assert (run / "model.keras").read_bytes() == network
        assert leftovers(run) == []
