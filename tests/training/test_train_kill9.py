"""kill -9 at any moment, and a supervised run ends bit for bit as the one nobody touched.

    pytest -m slow -s tests/training/test_train_kill9.py

kills twenty runs at seeded random moments, every second one while a state is being written, prints
where each was hit, and then kills each of two workers that train together.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from reszoo.cli import main
from reszoo.inference.trained import load_trained
from reszoo.runs import Run
from reszoo.training.checkpoint.checkpoints import Checkpoints
from tests.training.processes import free_addresses

# Wide enough that writing a state takes a good part of a step.
SPEC = """\
name: tiny
input: {shape: [8, 8, 1], mean: 128, std: 128}
stem: {filters: 48, kernel: 3}
block: {transform: basic, connection: residual}
stages:
  - {depth: 1, width: 48}
head: {dropout: 0.2}
classes: 10
"""
EPOCHS = 2
STEPS = 9
WORDS = (
    *("--epochs", str(EPOCHS), "--seed", "5", "--checkpoint-every", "1"),
    *("--set-recipe", "batch=128", "--set-recipe", "ema=0.9"),
)
PATIENCE = 600.0


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The run that nobody killed, and the file with its network."""
    folder = tmp_path_factory.mktemp("untouched")
    (spec := folder / "tiny.yaml").write_text(SPEC)
    assert main(["train", str(spec), *WORDS, "-o", str(folder / "run")]) == 0
    run = Run.open(folder / "run")
    assert run.metrics()[-2]["step"] == EPOCHS * STEPS
    return run, spec


def kill(run, step, in_writing, delay):
    """Kills the training once it has come to a step; tells what it was writing, if anything."""
    pattern = f".step-{step:09d}.*.partial" if in_writing else f"step-{step:09d}.safetensors"
    deadline = time.monotonic() + PATIENCE
    while not list((run / "checkpoints").glob(pattern)):
        if time.monotonic() > deadline:
            return
        time.sleep(0.0003)
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):  # The test then finds a kill too few.
        os.kill(json.loads((run / ".lock.json").read_text())["process"], signal.SIGKILL)


def supervised(run, spec, moments):
    """Trains under `--supervise` while kills come at these moments; what it said."""
    command = [sys.executable, "-m", "reszoo", "train", str(spec), *WORDS, "--supervise"]
    killers = [threading.Thread(target=kill, args=(run, *moment)) for moment in moments]
    for killer in killers:
        killer.start()
    done = subprocess.run([*command, "-o", str(run)], capture_output=True, text=True, check=False)
    for killer in killers:
        killer.join()
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def assert_as_untouched(run, untouched):
    for name in ("metrics.jsonl", "architecture.yaml", "recipe.yaml"):
        assert (run.path / name).read_bytes() == (untouched.path / name).read_bytes(), name
    assert [line["epoch"] for line in run.timing()] == list(range(1, EPOCHS + 1))
    assert not list(run.path.rglob("*.partial*"))
    ours, theirs = load_trained(run).model, load_trained(untouched).model
    for one, two in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)
    ours, theirs = (Checkpoints(one.checkpoints).last().arrays for one in (run, untouched))
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def moment(number):
    """The n-th moment: a step, whether its state is being written, and how much later."""
    chance = random.Random(number)
    in_writing = number % 2 == 0
    delay = chance.uniform(0, 0.002) if in_writing else chance.uniform(0, 0.15)
    return chance.randint(1, EPOCHS * STEPS - 1), in_writing, delay


@pytest.mark.slow
def test_two_kills_leave_no_trace(tmp_path, untouched):
    reference, spec = untouched
    told = supervised(tmp_path / "run", spec, [(4, True, 0.0), (STEPS + 5, False, 0.01)])
    assert told.count("was ended by SIGKILL") == 2, told
    assert_as_untouched(Run.open(tmp_path / "run"), reference)


@pytest.mark.slow
def test_twenty_of_twenty_killed_runs_end_bit_identical(tmp_path, untouched):
    reference, spec = untouched
    hits = 0
    for number in range(20):
        run, at = tmp_path / f"run-{number}", moment(number)
        told = supervised(run, spec, [at])
        killed = told.count("was ended by SIGKILL")
        where = next((line for line in told.splitlines() if "SIGKILL" in line), "not hit")
        print(f"{number:2d}  step {at[0]:2d}, {'writing' if at[1] else 'between'}: {where}")
        assert killed == 1, told
        assert_as_untouched(Run.open(run), reference)
        hits += killed
    print(f"{hits} of 20 killed runs end bit-identical")
    assert hits == 20


def start_workers(run, spec, log):
    """Two workers that train together, each under its own supervisor."""
    cluster = {"worker": free_addresses(2)}
    command = [sys.executable, "-m", "reszoo", "train", str(spec), *WORDS, "--supervise"]
    started = []
    for worker in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": worker}}
        with (log / f"{run.name}-{worker}.log").open("w") as output:
            started.append(
                subprocess.Popen(
                    [*command, "-o", str(run)],
                    env={**os.environ, "TF_CONFIG": json.dumps(config)},
                    stdout=output,
                    stderr=output,
                )
            )
    return started


def child_of(process):
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children, encoding="ascii") as file:
        return int(file.read().split()[0])


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="finds children in /proc")
def test_a_killed_worker_of_two_leaves_no_trace(tmp_path, untouched):
    """The other dies of it with exit code 75, and both supervisors go on from the last state."""
    _, spec = untouched
    ends = {}
    for name, victims in (("untouched", {}), ("killed", {5: 1, STEPS + 4: 0})):
        run = tmp_path / name
        workers = start_workers(run, spec, tmp_path)
        try:
            for step, victim in victims.items():
                pattern = f"step-{step:09d}.safetensors"
                deadline = time.monotonic() + PATIENCE
                while not (run / "checkpoints" / pattern).exists():
                    assert time.monotonic() < deadline, (tmp_path / f"{name}-0.log").read_text()
                    time.sleep(0.001)
                os.kill(child_of(workers[victim]), signal.SIGKILL)
            codes = [worker.wait(PATIENCE) for worker in workers]
        finally:
            for worker in workers:
                worker.terminate()
        told = [(tmp_path / f"{name}-{worker}.log").read_text() for worker in range(2)]
        assert codes == [0, 0], "\n".join(told)
        ends[name] = (Run.open(run), "\n".join(told))
    killed, told = ends["killed"]
    assert told.count("was ended by SIGKILL") == 2, told
    assert told.count("ended with exit code 75") >= 2, told
    print("\n".join(line for line in told.splitlines() if "supervisor" in line))
    assert_as_untouched(killed, ends["untouched"][0])
    print("two of two workers were killed; the run ends bit-identical")
