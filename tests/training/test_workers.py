"""Two processes on the loopback train as one, and go down together."""

import json
import re
import time
from types import SimpleNamespace

import pytest

from reszoo.errors import UserError
from reszoo.training.distribution.workers import WorkerGroup
from reszoo.training.train import train
from tests.training.processes import Workers
from tests.training.samples import SHORT, TINY, bar_data

TRAIN = """
import sys
from reszoo.errors import ReszooError
from reszoo.training.train import train
from tests.training.samples import SHORT, TINY, bar_data

def run(out, **options):
    try:
        options = {"seed": 7, "quiet": True, "test": False, "peer_timeout": 200} | options
        train(TINY, bar_data(), options.pop("recipe", SHORT), out=out, **options)
    except ReszooError as error:
        print(error)
        sys.exit(error.exit_code)
"""

EXACT = (
    TRAIN
    + """
import numpy as np
from reszoo.training.checkpoint.checkpoint_file import read_checkpoint
PLAIN = TINY.model_copy(update={"block": TINY.block.model_copy(update={"connection": "residual"}),
                                "head": TINY.head.model_copy(update={"dropout": 0.0})})
recipe = SHORT.model_copy(update={"precision": "float64"})
for out, options in (("%s/two", {}), ("%s/one", {"strategy": "one"})):
    if WORKER == 0 or "strategy" not in options:
        train(PLAIN, bar_data(), recipe, out=out, seed=7, quiet=True, test=False, sync_norm=True,
              peer_timeout=200, **options)
"""
)


def test_two_workers_learn_what_one_learns(tmp_path):
    done = Workers(EXACT % (tmp_path, tmp_path)).wait()
    assert [code for code, _, _ in done] == [0, 0], done
    from reszoo.training.checkpoint.checkpoints import Checkpoints

    two, one = (Checkpoints(tmp_path / name / "checkpoints").last() for name in ("two", "one"))
    assert two.facts["steps"] == one.facts["steps"] == 18
    for name, value in one.arrays.items():
        if name.startswith("model/") and "seed" not in name:
            assert abs(two.arrays[name] - value).max() <= 1e-12, name
    info = json.loads((tmp_path / "two/run.json").read_text())
    assert (info["strategy"], info["replicas"], len(info["workers"])) == ("multiworker", 2, 2)
    assert info["state"] == "finished"
    assert (tmp_path / "two/model.keras").is_file()


def test_what_differs_between_workers_is_named(monkeypatch):
    cluster = SimpleNamespace(addresses=("here:1", "there:1"))
    group = WorkerGroup(SimpleNamespace(workers=2, cluster=cluster))
    other = json.dumps({"seed": 8, "epochs": 3})
    monkeypatch.setattr(group, "_all_gather", lambda text: [text, other])
    with pytest.raises(UserError) as refused:
        group.require_same({"seed": 7, "epochs": 3})
    assert refused.value.what == "worker 1 was started differently from the chief: seed"
    assert refused.value.where == "there:1"
    group.require_same({"seed": 8, "epochs": 3})


@pytest.mark.slow
def test_workers_that_were_started_differently_are_refused(tmp_path):
    code = TRAIN + f"run(r'{tmp_path}/run', seed=WORKER)"
    for exit_code, out, error in Workers(code).wait():
        assert exit_code == 2, error
        assert "worker 1 was started differently from the chief: seed" in out
    assert not (tmp_path / "run").exists()


def test_workers_need_to_be_told_their_folder(monkeypatch):
    setup = SimpleNamespace(workers=2)
    monkeypatch.setattr("reszoo.training.start_training.device_setup", lambda options: setup)
    with pytest.raises(UserError, match="-o RUN"):
        train(TINY, bar_data(), SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_dies_takes_the_job_down(tmp_path, victim):
    long = "recipe = SHORT.model_copy(update={'epochs': 100000})\n"
    workers = Workers(TRAIN + long + f"run(r'{tmp_path}/run', recipe=recipe)")
    metrics = tmp_path / "run/metrics.jsonl"
    began = time.monotonic()
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() - began < 200:
        time.sleep(0.2)
    workers.processes[victim].kill()
    exit_code, out, error = workers.wait()[1 - victim]
    assert exit_code == 75, error
    assert re.search(rf"worker {victim} \(127.0.0.1:\d+\) is gone", out), out


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_all_and_they_go_on_exactly(tmp_path):
    stop = """
import os, signal, keras
class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if WORKER == 1 and self.model.optimizer.iterations.numpy() == 9:
            os.kill(os.getpid(), signal.SIGTERM)
"""
    whole = Workers(TRAIN + f"run(r'{tmp_path}/whole')").wait()
    assert [code for code, _, _ in whole] == [0, 0], whole
    halved = Workers(TRAIN + stop + f"run(r'{tmp_path}/halved', callbacks=[Stop()])").wait()
    assert [code for code, _, _ in halved] == [75, 75], halved
    resumed = f"""
from reszoo.training.train import resume
from tests.training.samples import bar_data
resume(r'{tmp_path}/halved', data=bar_data(), quiet=True)
"""
    again = Workers(resumed).wait()
    assert [code for code, _, _ in again] == [0, 0], again
    lines = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "halved")]
    assert lines[0] == lines[1]
