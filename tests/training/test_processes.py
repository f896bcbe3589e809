"""Jobs in processes of this machine, several at a time."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from reszoo import spec
from reszoo.errors import MachineError
from reszoo.training.jobs import job_process
from reszoo.training.jobs.job_resources import JobResources
from reszoo.training.jobs.processes import Processes, threads_for
from reszoo.training.jobs.task import DataArguments, TrainingTask


@pytest.fixture
def task(tmp_path) -> TrainingTask:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(spec.to_yaml(spec.load_recipe("short8")))
    data = DataArguments("digits")
    return TrainingTask(tmp_path / "net.yaml", recipe, data, 0, 2, tmp_path, tmp_path)


def _numbered(task: TrainingTask, number: int) -> TrainingTask:
    folder = task.recipe.parent
    return dataclasses.replace(task, run=folder / str(number), log=folder / f"{number}.txt")


def _run_as(monkeypatch, program: str) -> None:
    def command(module: str, kind: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", program, *arguments]

    monkeypatch.setattr(job_process, "module_command", command)


TOGETHER = """\
import pathlib, sys, time
run = pathlib.Path(sys.argv[-1])
run.with_suffix('.here').touch()
other = run.with_name(str(3 - int(run.name))).with_suffix('.here')
while not other.exists(): time.sleep(0.01)
sys.exit('both are here')
"""


def test_two_jobs_run_at_the_same_time(monkeypatch, task):
    """Each ends once it has seen the other."""
    _run_as(monkeypatch, TOGETHER)
    engine = Processes(2)
    for number in (1, 2):
        engine.submit(number, _numbered(task, number))
    ended = dict([engine.wait(), engine.wait()])
    assert sorted(ended) == [1, 2]
    assert all(outcome.message.endswith("both are here") for outcome in ended.values())
    assert engine.wait(0.01) is None
    engine.stop()


def test_each_job_has_a_gpu_and_threads_of_its_own(monkeypatch, task):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    printing = "print(*(os.environ[name] for name in NAMES)); sys.exit"
    names = "('CUDA_VISIBLE_DEVICES', 'TF_NUM_INTRAOP_THREADS')"
    program = TOGETHER.replace("sys.exit", printing.replace("NAMES", names))
    _run_as(monkeypatch, f"import os\n{program}")
    engine = Processes(2, JobResources(cpus=3))
    for number in (1, 2):
        engine.submit(number, _numbered(task, number))
    for _ in range(2):
        engine.wait()
    logs = sorted(_numbered(task, number).log.read_text() for number in (1, 2))
    assert [log.split()[:2] for log in logs] == [["6", "3"], ["7", "3"]]
    engine.stop()


def test_a_stop_ends_what_runs_and_forgets_what_waits(monkeypatch, task):
    _run_as(
        monkeypatch,
        "import pathlib, sys; run = pathlib.Path(sys.argv[-1]); run.mkdir(); "
        '(run / \'metrics.jsonl\').write_text(\'{"kind": "epoch", "epoch": 1}\\n\'); '
        "sys.stdin.read(); (run / 'saved').touch(); sys.exit(130)",
    )
    engine = Processes(1)
    for number in (1, 2):
        engine.submit(number, _numbered(task, number))
    while not engine.progress():
        assert engine.wait(0.05) is None
    assert engine.progress() == {1: {"kind": "epoch", "epoch": 1}}
    engine.stop()
    assert (_numbered(task, 1).run / "saved").exists()
    assert not _numbered(task, 2).run.exists()


def test_an_error_of_the_machine_reaches_whoever_waits(monkeypatch, task):
    _run_as(monkeypatch, "raise SystemExit(74)")
    engine = Processes(2)
    engine.submit(0, _numbered(task, 1))
    with pytest.raises(MachineError, match="too little disk or memory"):
        engine.wait()
    engine.stop()


def test_the_cores_are_divided(monkeypatch):
    monkeypatch.setattr("reszoo.training.jobs.processes.usable_cores", lambda: 7)
    assert [threads_for(workers) for workers in (1, 2, 3, 9)] == [7, 3, 2, 1]


def test_engines_import_no_tensorflow():
    program = (
        "import sys, reszoo.training.jobs.processes, reszoo.training.jobs.ray_node; "
        "import reszoo.training.jobs.ray_engine; print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
