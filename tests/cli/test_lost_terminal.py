"""A terminal, a pipe or a parent that goes away does not end a training badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reszoo.runs import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of Unix")
PATIENCE = 90.0


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "reszoo", *map(str, words)]


def wait_for(condition, seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def training(tiny, out: Path, *words: object, **options) -> subprocess.Popen:
    """A training that lasts for minutes, once its first checkpoint is written."""
    process = subprocess.Popen(
        command("train", tiny, "--epochs", 2000, "-o", out, "--checkpoint-every", 5, *words),
        start_new_session=True,
        # Tests that run under nohup ignore SIGHUP, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        **options,
    )
    assert wait_for(lambda: list(out.glob("checkpoints/step-*"))), "no checkpoint was written"
    return process


def children_in(out: Path) -> list[str]:
    """Processes whose command line names the run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(out).encode() in words:
            found.append(folder.name)
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_supervisor_leaves_no_training_behind(tiny, tmp_path):
    out = tmp_path / "run"
    supervisor = training(tiny, out, "--supervise", stderr=subprocess.DEVNULL)
    supervisor.kill()
    supervisor.wait()
    assert wait_for(lambda: not children_in(out), 15.0), "an orphan goes on training"
    assert Run.open(out).state == "interrupted"


def test_a_closing_terminal_ends_nothing_and_a_closed_one_saves(tiny, tmp_path):
    """Progress that nobody reads, as under `2>&1 | head -1`, ends nothing; SIGHUP saves."""
    out = tmp_path / "run"
    process = training(tiny, out, stderr=subprocess.PIPE)
    process.stderr.close()
    epochs = len(Run.open(out).timing())
    assert wait_for(lambda: len(Run.open(out).timing()) > epochs + 3)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 75
    assert Run.open(out).state == "interrupted"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_training_leaves_no_temporary_files(tiny, tmp_path):
    out, temporary = tmp_path / "run", tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    supervisor = training(tiny, out, "--supervise", stderr=subprocess.DEVNULL, env=environment)
    (child,) = [number for number in children_in(out) if int(number) != supervisor.pid]
    os.kill(int(child), signal.SIGKILL)
    assert wait_for(lambda: child not in children_in(out))
    supervisor.terminate()
    supervisor.wait(PATIENCE)
    assert wait_for(lambda: not list(temporary.iterdir()), 5.0), list(temporary.iterdir())
