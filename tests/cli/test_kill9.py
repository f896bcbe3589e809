"""kill -9 at seeded file operations: a result is the old one or the new one, and nothing stays.

    pytest -m slow -s tests/cli/test_kill9.py

kills every command at twenty moments and prints them. A quick run kills a training, and looks at
files through copies of what a kill at each operation would leave. Bundles are folders: those a
quick run of tests/test_atomic_files.py kills at each operation.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from reszoo.cli import main
from reszoo.runs import Run
from reszoo.training.checkpoint.checkpoints import Checkpoints
from tests.kills import leftovers, moments, operations, start, states, wait_for_orphans

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


@pytest.fixture
def run(here):
    """Returns a function that runs a command in this process and returns its result's hash."""

    def run(command: Command, which: str, out: Path) -> str:
        out.parent.mkdir(exist_ok=True)
        assert main([*command.words(which), "-o", str(out)]) == 0
        return command.result(out)

    return run


@pytest.mark.parametrize(
    "name", ["build", "deepen", pytest.param("export", marks=pytest.mark.slow)]
)
def test_a_kill_at_any_operation_leaves_the_old_result_or_the_new(name, here, run):
    command = COMMANDS[name]
    out = here / "out" / command.out
    old = run(command, "old", out)
    copies = states(lambda: run(command, "new", out), out.parent, here / "copies")
    new = command.result(out)
    results = [command.result(copy / command.out) for copy in copies]
    assert len(results) > 5
    assert (results[0], new) == (old, results[-1])
    assert results == [old] * results.count(old) + [new] * results.count(new) and old != new
    unfinished = [copy for copy in copies if leftovers(copy)]
    for copy in (unfinished[0], unfinished[-1]):
        assert run(command, "old", copy / command.out) == old
        assert os.listdir(copy) == [command.out]
        assert leftovers(copy) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("build", 2), *((name, 20) for name in COMMANDS)])
def test_a_killed_command_leaves_the_old_result_or_the_new(name, count, here, run):
    command = COMMANDS[name]
    folder = here / "out"
    out = folder / command.out
    new, old = run(command, "new", out), run(command, "old", out)
    assert old != new
    if count == 2:  # Half way, and at the operation before which the new result is there.
        copies = states(lambda: run(command, "new", out), folder, here / "copies")
        there = [command.result(copy / command.out) for copy in copies].index(new)
        chosen = [len(copies) // 2, there + 1]
    else:
        code, printed = start([*command.words("new"), "-o", str(out)], folder, here / "count")
        assert code == 0, printed
        chosen = moments(count, operations(here / "count"))
    run(command, "old", out)
    seen = set()
    for moment in chosen:
        log = here / f"{moment}"
        code, printed = start([*command.words("new"), "-o", str(out)], folder, log, moment)
        assert code == SIGKILLED, printed
        result = command.result(out)
        print(f"{name}, operation {moment}: the {'old' if result == old else 'new'} result")
        assert result in (old, new)
        seen.add(result)
        assert run(command, "old", out) == old
        assert os.listdir(folder) == [command.out]
        assert leftovers(folder) == []
    assert seen == {old, new} if count == 2 else old in seen


WORDS = ["--supervise", "--epochs", "2", "--seed", "5", "--set-recipe", "batch=256"]
WORDS += ["--checkpoint-every", "2", "-o"]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The supervised run that nobody killed, its command but for the folder, and its operations."""
    folder = tmp_path_factory.mktemp("untouched")
    (folder / "tiny.yaml").write_text(SPEC)
    words = ["train", str(folder / "tiny.yaml"), *WORDS]
    code, printed = start([*words, str(folder / "run")], folder / "run", folder / "count")
    assert code == 0, printed
    return folder / "run", words, operations(folder / "count")


@pytest.mark.parametrize(
    ("victim", "count"),
    [
        ("self", 1),
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in [("self", 20), ("parent", 1), ("parent", 20)]
        ),
    ],
)
def test_a_killed_supervised_training_ends_as_one_that_nobody_killed(
    victim, count, tmp_path, untouched
):
    """The child is started again; where its supervisor dies, the child stops by itself."""
    whole, words, most = untouched
    for moment in moments(count, most, seed=1) if count > 1 else [most // 2]:
        run, log = tmp_path / f"run-{moment}", tmp_path / f"log-{moment}"
        code, printed = start([*words, str(run)], run, log, moment, victim)
        seconds = wait_for_orphans(log)
        print(f"{victim} killed at operation {moment}: exit code {code}, alone for {seconds:.1f} s")
        assert (log / "killed").exists(), printed
        if victim == "parent":
            assert code == SIGKILLED, printed
            code, printed = start([*words, str(run)], run, tmp_path / f"again-{moment}")
        assert code == 0, printed
        for name in ("metrics.jsonl", "model.keras"):
            assert (run / name).read_bytes() == (whole / name).read_bytes(), name
        ours, theirs = (Checkpoints(one / "checkpoints").last().arrays for one in (run, whole))
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)
        epochs = [line["epoch"] for line in Run.open(run).timing()]
        assert epochs == [1, 2]
        assert leftovers(run) == []
