"""Searches whose trials train in child processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reszoo.errors import MachineError, UserError
from reszoo.planning.cost import cost
from reszoo.runs import Run
from reszoo.runs.jsonl import read_valid_lines
from reszoo.runs.lock import hold_lock
from reszoo.training.jobs import job_process
from reszoo.training.jobs.processes import Processes
from reszoo.training.jobs.task import DataArguments
from reszoo.training.train import train
from reszoo.tuning.open_search import open_search_folder
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.strategies import create_proposer
from reszoo.tuning.trial_engine import TaskEngine
from reszoo.tuning.tune import tune
from tests.tuning.searches import BASE, SEARCH, write


def test_data_that_do_not_fit_are_refused_before_a_trial(tmp_path):
    file = write(tmp_path, SEARCH, BASE.replace("[8, 8, 1]", "[8, 8, 3]"))
    with pytest.raises(UserError, match="takes colour images and digits holds grey ones"):
        tune(file, "digits", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_search_of_a_real_training_on_digits(tmp_path):
    """Data check, child process, run folder and the validation split, all at once."""
    text = SEARCH.replace("trials: 6, max_epochs: 4", "trials: 1, max_epochs: 1")
    result = tune(write(tmp_path, text + "validation: 0.25\n"), out=tmp_path / "out")
    assert [record.state for record in result.records] == ["finished"]
    for record in result.records:
        run = Run.open(SearchFolder(result.path).run_path(record.trial))
        (epoch,) = run.metrics()
        # Only the held out part of the training images judged; the test split was not read.
        assert epoch["val_accuracy"] == record.val_accuracy
        assert run.data()["validation"]["images"] == pytest.approx(1437 / 4, abs=10)
        assert "test_accuracy" not in run.info
        assert run.model_path.exists()
        assert cost(run.architecture()).parameters == record.cost["parameters"]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="children are found in /proc")
def test_kills_of_the_search_and_of_its_trainings_change_nothing(tmp_path):
    """18 kills, each at a seeded moment after a new epoch, of a search of two trials at a time.

    Those of a Ray worker and of a raylet are in tests/training/test_ray_engine.py.
    """
    # A grid, because its process imports no TensorFlow each time that it starts.
    text = SEARCH.replace("random, trials: 6, max_epochs: 4", "grid, trials: 4, max_epochs: 20")
    file, out = write(tmp_path, text), tmp_path / "killed"
    program = (
        "import sys; from reszoo.tuning.tune import tune; "
        "tune(sys.argv[1], out=sys.argv[2], jobs=2, per_trial='cpus=1')"
    )
    words = [sys.executable, "-c", program, str(file), str(out)]
    moments, process = random.Random(0), subprocess.Popen(words)
    of_search = of_trainings = 0
    epochs: dict[str, int] = {}
    while of_search + of_trainings < 18 and process.poll() is None:
        before, epochs = epochs, _epochs(out)
        advanced = [run for run, number in epochs.items() if number > before.get(run, 0)]
        if not advanced:
            time.sleep(0.02)
            continue
        time.sleep(moments.uniform(0, 0.3))
        if of_search <= of_trainings / 2:
            process.kill()
            process.wait()
            process = subprocess.Popen(words)
            of_search += 1
        elif child := _training_of(process.pid, moments.choice(advanced)):
            os.kill(child, signal.SIGKILL)
            of_trainings += 1
    assert process.wait() == 0
    assert (of_search, of_trainings) == (6, 12)
    serial = tune(file, out=tmp_path / "serial", per_trial="cpus=1").path
    for name in ("trials.jsonl", "best.yaml", "search.json"):
        assert (out / name).read_bytes() == (serial / name).read_bytes(), name
    for trial in sorted(path.name for path in (serial / "trials").glob("[0-9]*")):
        metrics = [folder / "trials" / trial / "metrics.jsonl" for folder in (out, serial)]
        assert metrics[0].read_bytes() == metrics[1].read_bytes()


def _epochs(out: Path) -> dict[str, int]:
    """The number of epochs of each run, by its name."""
    logs = out.glob("trials/*/metrics.jsonl")
    return {path.parent.name: len(read_valid_lines(path)) for path in logs}


def _training_of(parent: int, run: str) -> int | None:
    """The process that a search has started to train a run; None once it has ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            is_child = f"PPid:\t{parent}\n" in (folder / "status").read_text()
            if is_child and "train" in words and any(w.endswith(f"/trials/{run}") for w in words):
                return int(folder.name)
    return None


@pytest.mark.slow
def test_a_search_killed_while_it_trains_ends_as_if_it_never_was(tmp_path):
    """Hyperband with real trainings: the killed trial and the promoted ones go on bit for bit."""
    strategy = "{kind: hyperband, max_epochs: 3, factor: 3}"
    text = SEARCH.replace("{kind: random, trials: 6, max_epochs: 4}", strategy)
    file = write(tmp_path, text)
    program = "import sys; from reszoo.tuning.tune import tune; tune(sys.argv[1], out=sys.argv[2])"
    words = [sys.executable, "-c", program, str(file), str(tmp_path / "killed")]
    second = tmp_path / "killed" / "trials" / "0002" / "run.json"
    with subprocess.Popen(words) as process:
        while not second.exists() and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    assert len(SearchFolder(tmp_path / "killed").records()) == 1
    killed = tune(file, out=tmp_path / "killed")
    whole = tune(file, out=tmp_path / "whole")
    assert killed.records == whole.records
    promoted = next(record for record in whole.records if record.round == 1)
    metrics = [
        Run.open(one.path / "trials" / f"{promoted.trial:04d}").metrics() for one in (killed, whole)
    ]
    assert metrics[0] == metrics[1]
    steps = [line["step"] for line in metrics[0]]
    assert steps == [steps[0], 2 * steps[0], 3 * steps[0]]
    at_once = train(
        whole.path / "candidates" / f"{promoted.trial:04d}.yaml",
        "digits",
        whole.path / "recipe.yaml",
        out=tmp_path / "at_once",
        test=False,
        quiet=True,
    )
    assert at_once.metrics() == metrics[0]


def test_a_machine_at_fault_stops_the_search_without_a_row(monkeypatch, tmp_path):
    def command(module: str, kind: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit(74)"]

    monkeypatch.setattr(job_process, "module_command", command)
    resolved = resolve_search(write(tmp_path, SEARCH))
    folder = open_search_folder(tmp_path / "out", resolved, {"name": "digits"})
    engine = TaskEngine(Processes(2), folder, resolved, DataArguments("digits"))
    with pytest.raises(MachineError, match="too little disk or memory"):
        SearchRun(resolved, folder, engine).run(create_proposer(resolved))
    assert not folder.trial_log.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_the_log_of_trials_is_refused(tmp_path):
    folder = SearchFolder(tmp_path)
    os.mkfifo(folder.trial_log)
    with pytest.raises(UserError, match="is a named pipe"):
        folder.records()


@pytest.mark.parametrize(
    ("runs", "name"),
    [("trials", ".lock"), ("trials", ".0002.lock"), ("retrained", ".0002-seed-1.lock")],
)
def test_a_search_waits_for_each_training_that_a_killed_one_left(tmp_path, runs, name):
    resolved = resolve_search(write(tmp_path, SEARCH))
    folder = open_search_folder(tmp_path / "out", resolved, {"name": "digits"})
    busy = pytest.raises(UserError, match="a training of an earlier search is still running")
    (folder.path / runs).mkdir(exist_ok=True)
    with hold_lock(folder.path / runs, name=name), busy:
        folder.wait_for_training(seconds=0)
    folder.wait_for_training(seconds=0)
