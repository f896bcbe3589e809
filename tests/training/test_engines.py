"""Words about engines are checked early, before TensorFlow starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reszoo.errors import UserError
from reszoo.training.jobs import processes, ray_cluster
from reszoo.training.jobs.engines import EngineOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EngineOptions(per_trial="cpu=2"), "did you mean 'cpus'"),
        (EngineOptions(jobs=2, per_trial="gpus=1"), "2 at a time with 1 GPU each do not fit"),
        (EngineOptions(ray="auto"), "Ray is not installed"),
        (EngineOptions(jobs=2, ray="auto", per_trial="gpus=1"), "Ray is not installed"),
    ],
)
def test_bad_words_are_refused(monkeypatch, options, message):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(UserError, match=message):
        options.check()


def test_processes_and_a_cluster_exclude_each_other(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", sys)
    with pytest.raises(UserError, match="--jobs and --ray exclude each other"):
        EngineOptions(jobs=2, ray="auto").check()


def test_the_words_say_how_many_processes_there_are_and_their_threads(tmp_path):
    engine = EngineOptions(jobs=3, per_trial="cpus=2").create(tmp_path)
    assert (engine.workers, engine.threads) == (3, 2)
    assert EngineOptions().create(tmp_path).workers == 1


def test_the_capacity_is_that_of_the_engine_which_is_not_created(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(processes, "usable_cores", lambda: 8)
    capacity = EngineOptions(jobs=4).capacity()
    assert (capacity.workers, capacity.threads, capacity.on_cluster) == (4, 2, False)
    assert capacity.environment["OMP_NUM_THREADS"] == "2"
    assert EngineOptions(jobs=4, per_trial="cpus=1").capacity().threads == 1


def test_the_capacity_of_a_cluster_is_that_of_its_nodes(monkeypatch):
    class Cluster:
        def nodes(self):
            alive = {"Alive": True, "Resources": {"CPU": 5.0}}
            return [alive, alive, {"Alive": False, "Resources": {"CPU": 99.0}}]

    monkeypatch.setitem(sys.modules, "ray", sys)
    monkeypatch.setattr(ray_cluster, "connect", lambda address: Cluster())
    capacity = EngineOptions(ray="auto", per_trial="cpus=2").capacity()
    assert (capacity.workers, capacity.threads, capacity.on_cluster) == (4, 2, True)
    assert capacity.environment["CUDA_VISIBLE_DEVICES"] == "-1"


def test_the_command_refuses_bad_words_before_tensorflow_starts(tmp_path):
    program = (
        "import sys; from reszoo.cli import main\n"
        "code = main(['tune', 'digits_tiny', '--per-trial', 'cpus=none', '-o', sys.argv[1]])\n"
        "print(code, 'tensorflow' in sys.modules)"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout == "2 False\n"
    assert "--per-trial cpus=2,gpus=1" in done.stderr
    assert not (tmp_path / "out").exists()
