"""The process of a job: its results, its failures, and how it is stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from reszoo import spec
from reszoo.errors import MachineError, RestartError, UserError
from reszoo.runs import Run
from reszoo.runs.lock import hold_lock
from reszoo.training.jobs import child, job_process
from reszoo.training.jobs.data_check import DataCheck
from reszoo.training.jobs.job_process import _train_command, lock_name, perform
from reszoo.training.jobs.run_outcome import last_epoch, outcome_of
from reszoo.training.jobs.task import DataArguments, JobOutcome, TrainingTask
from tests.own_signals import signal_when


@pytest.fixture
def task(tmp_path) -> TrainingTask:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(spec.to_yaml(spec.load_recipe("short8")))
    architecture = tmp_path / "net.yaml"
    architecture.write_text(spec.to_yaml(spec.load("resnet8")))
    run, log = tmp_path / "trials" / "0001", tmp_path / "logs" / "0001.txt"
    return TrainingTask(architecture, recipe, DataArguments("digits"), 0, 2, run, log)


def _run_as(monkeypatch, program: str) -> None:
    def command(module: str, kind: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", program, *arguments]

    monkeypatch.setattr(job_process, "module_command", command)


def _finished_run(task: TrainingTask, accuracies, state="finished", **facts) -> Run:
    run = Run.create(
        task.run,
        architecture=spec.load(task.architecture),
        recipe=spec.load_recipe(task.recipe),
        data={"name": "digits"},
        command=["reszoo"],
        seed=0,
        default_name="x",
    )
    for epoch, accuracy in enumerate(accuracies, 1):
        run.append_metrics({"kind": "epoch", "epoch": epoch, "val_accuracy": accuracy})
    run.info |= facts
    run.set_state(state, epochs=len(accuracies))
    return run


@pytest.mark.parametrize(("keep", "expected"), [("best", 0.75), ("last", 0.5)])
def test_a_job_is_judged_by_the_checkpoint_that_its_run_keeps(task, keep, expected):
    run, recipe = _finished_run(task, [0.25, 0.75, 0.5]), spec.load_recipe(task.recipe)
    validation = recipe.validation.model_copy(update={"keep": keep})
    recipe = recipe.model_copy(update={"validation": validation})
    assert outcome_of(run.path, recipe, 3) == JobOutcome(expected, (0.25, 0.75, 0.5))
    assert outcome_of(run.path, recipe, 4) is None


def test_a_run_without_held_out_images_has_the_accuracy_of_its_test(task):
    run = _finished_run(task, [0.25], test_accuracy=0.75)
    lines = (run.path / "metrics.jsonl").read_text().replace('"val_accuracy"', '"accuracy"')
    (run.path / "metrics.jsonl").write_text(lines)
    outcome = outcome_of(run.path, spec.load_recipe(task.recipe), 1)
    assert outcome == JobOutcome(test_accuracy=0.75)


@pytest.mark.parametrize("test", [False, True])
def test_only_tasks_that_ask_for_it_are_tested(task, test):
    words = _train_command(dataclasses.replace(task, test=test))
    assert ("--test" in words) == test


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_a_run_that_did_not_finish_has_no_outcome_yet(task, state):
    _finished_run(task, [0.25, 0.75], state)
    assert outcome_of(task.run, spec.load_recipe(task.recipe), 2) is None


def test_a_run_that_early_stopping_ended_has_its_outcome(task):
    _finished_run(task, [0.75, 0.25], ended_by_callback=True)
    outcome = outcome_of(task.run, spec.load_recipe(task.recipe), 4)
    assert outcome == JobOutcome(0.75, (0.75, 0.25))


def test_the_last_epoch_of_a_run_is_read_while_it_trains(task):
    assert last_epoch(task.run) is None
    run = _finished_run(task, [0.25, 0.75], "running")
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "ep')  # a line that is being written
    assert (last_epoch(task.run) or {})["epoch"] == 2


def test_a_finished_run_is_read_and_not_trained_again(monkeypatch, task):
    _run_as(monkeypatch, "raise SystemExit('trained again')")
    _finished_run(task, [0.25, 0.75])
    outcome = perform(task)
    assert (outcome.val_accuracy, outcome.attempts) == (0.75, 0)


def test_an_accuracy_that_is_no_number_is_a_failure():
    outcome = JobOutcome(float("nan"), (0.5, float("nan")))
    assert (outcome.val_accuracy, outcome.message) == (None, "val_accuracy is nan")


def test_a_child_that_fails_leaves_its_last_lines(monkeypatch, task):
    noise = "I0000 00:00:1795217229.836534 15907 port.cc:153] oneDNN"
    program = (
        f"import sys; print('epoch 1'); print({noise!r}); print('error: no memory'); sys.exit(1)"
    )
    _run_as(monkeypatch, program)
    outcome = perform(task)
    assert outcome.val_accuracy is None
    assert outcome.message == "the training ended with exit code 1\nepoch 1\nerror: no memory"
    assert noise in task.log.read_text()


@pytest.mark.parametrize(
    ("end", "described"),
    [
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL, most likely for lack of memory"),
        ("sys.exit(75)", "ended with exit code 75"),
    ],
)
def test_a_child_that_is_lost_is_started_again_three_times(monkeypatch, task, end, described):
    _run_as(monkeypatch, f"import os, sys; print('begun', flush=True); {end}")
    outcome = perform(task)
    assert outcome.message == (
        f"4 times in a row without a new checkpoint, the training {described}\nbegun"
    )
    assert task.log.read_text().split() == ["begun"] * 4
    assert outcome.attempts == 4


def test_a_killed_child_leaves_no_temporary_files(monkeypatch, tmp_path, task):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    _run_as(monkeypatch, "import os, tempfile; print(tempfile.mkstemp()[1]); os.abort()")
    perform(task)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_lost_child_with_new_checkpoints_is_started_again_until_it_ends(monkeypatch, task):
    program = (
        "import os, pathlib, sys; folder = pathlib.Path(sys.argv[-1]) / 'checkpoints'; "
        "folder.mkdir(parents=True, exist_ok=True); count = len(list(folder.iterdir())); "
        "(folder / f'step-{count}.safetensors').touch(); "
        "sys.exit('ended') if count == 9 else os.kill(os.getpid(), 9)"
    )
    _run_as(monkeypatch, program)
    outcome = perform(task)
    assert outcome.message == "the training ended with exit code 1\nended"


@pytest.mark.parametrize(
    "error",
    [
        "MachineError('no room', found='x', hint='free some')",
        "OSError(28, 'no room')",
        "MemoryError('no room')",
    ],
)
def test_a_machine_at_fault_is_not_a_failed_training(monkeypatch, task, error):
    program = (
        "import sys; from reszoo.errors import MachineError\n"
        "from reszoo.training.jobs import child\n"
        f"def train(options): raise {error}\n"
        "child._train = train; sys.exit(child.main(['train', *sys.argv[1:]]))"
    )
    _run_as(monkeypatch, program)
    with pytest.raises(MachineError, match="too little disk or memory") as caught:
        perform(task)
    assert (caught.value.found or "").endswith("no room")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_log_on_a_full_disk_is_not_a_failed_training(monkeypatch, task):
    _run_as(monkeypatch, "import sys; sys.stdout = open('/dev/full', 'w'); print('epoch 1')")
    task.log.parent.mkdir()
    with pytest.raises(MachineError, match="too little disk or memory"):
        perform(task)


def test_only_what_this_attempt_said_is_in_its_message(monkeypatch, task):
    for word in ("first", "second"):
        _run_as(monkeypatch, f"raise SystemExit('{word}')")
        outcome = perform(task)
        assert (outcome.message or "").endswith(f"\n{word}")
    assert task.log.read_text().split() == ["first", "second"]


def test_a_child_that_ends_without_results_is_a_failed_training(monkeypatch, task):
    _run_as(monkeypatch, "")
    assert "without its results" in perform(task).message


def test_a_training_that_others_stopped_is_not_a_failed_training(monkeypatch, task):
    _run_as(monkeypatch, "raise SystemExit(130)")
    with pytest.raises(RestartError, match="was stopped; its checkpoint is saved"):
        perform(task)


def _ctrl_c_once_printed(log: Path) -> None:
    signal_when(lambda: log.exists() and log.stat().st_size, signal.SIGINT)


def test_ctrl_c_stops_the_child_and_waits_for_its_checkpoint(monkeypatch, tmp_path, task):
    saved = tmp_path / "saved"
    program = (
        "import sys, time; print('begun', flush=True); sys.stdin.read(); time.sleep(0.3); "
        f"open({str(saved)!r}, 'w').close(); sys.exit(130)"
    )
    _run_as(monkeypatch, program)
    _ctrl_c_once_printed(task.log)
    with pytest.raises(KeyboardInterrupt):
        perform(task)
    assert saved.exists()


def test_a_child_that_does_not_stop_is_ended(monkeypatch, task):
    monkeypatch.setattr(job_process, "STOP_SECONDS", 0.2)
    _run_as(monkeypatch, "import time; print('begun', flush=True); time.sleep(600)")
    _ctrl_c_once_printed(task.log)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        perform(task)
    assert time.monotonic() - begun < 30


def test_a_child_gets_a_ctrl_c_when_its_parent_is_gone():
    program = (
        "import signal, time; from reszoo.parent_watch import stop_without_parent; "
        "stop_without_parent(0, signal.SIGINT); print('watching', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "watching\n"
        process.stdin.close()
        assert process.wait(30) in (1, 130, -signal.SIGINT)
        assert process.stderr is not None
        assert "KeyboardInterrupt" in process.stderr.read()


def test_a_stopped_job_saves_its_checkpoint(monkeypatch, task):
    _run_as(monkeypatch, "import sys; print('begun', flush=True); sys.stdin.read(); sys.exit(130)")
    stopping = threading.Event()
    threading.Timer(0.5, stopping.set).start()
    with pytest.raises(RestartError, match="was stopped"):
        perform(task, stopping=stopping)
    assert task.log.read_text() == "begun\n"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be blocked")
def test_a_child_that_inherits_blocked_signals_is_stopped(monkeypatch, task):
    """Ray's workers block SIGINT, and children inherit that (ray#31805)."""
    program = (
        "import signal, sys, time; from reszoo.training.jobs import child\n"
        "def train(options):\n"
        "    child.stop_without_parent(0, signal.SIGINT); print('begun', flush=True)\n"
        "    time.sleep(600)\n"
        "child._train = train; sys.exit(child.main(['train', *sys.argv[1:]]))"
    )
    _run_as(monkeypatch, program)
    stopping = threading.Event()
    threading.Timer(2.5, stopping.set).start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        begun = time.monotonic()
        with pytest.raises(RestartError, match="was stopped"):
            perform(task, stopping=stopping)
        assert time.monotonic() - begun < job_process.STOP_SECONDS
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_child_has_its_threads_and_environment_and_shows_its_memory(monkeypatch, task):
    program = (
        "import os, time; print(os.environ['TF_NUM_INTRAOP_THREADS'], "
        "os.environ['TF_NUM_INTEROP_THREADS'], os.environ['CUDA_VISIBLE_DEVICES'], flush=True); "
        "pages = bytearray(64_000_000); time.sleep(1.2)"
    )
    _run_as(monkeypatch, program)
    outcome = perform(dataclasses.replace(task, threads=3), {"CUDA_VISIBLE_DEVICES": "5"})
    assert task.log.read_text() == "3 3 5\n"
    assert outcome.seconds > 0
    assert outcome.host
    if os.path.exists("/proc/self/status"):
        assert 64e6 < (outcome.peak_memory or 0) < 1e9


def test_two_runs_of_a_folder_do_not_refuse_each_other_and_one_waits_for_itself(monkeypatch, task):
    """A retry finds the training of a lost node, which still saves: it waits, and does not fail."""
    monkeypatch.setattr(child, "LOCK_SECONDS", 0.3)
    with child._only_training_of(task.run), child._only_training_of(task.run.with_name("0002")):
        again = child._only_training_of(task.run)
        with pytest.raises(RestartError, match="another process still trains"), again:
            pass
        held = contextlib.ExitStack()
        held.enter_context(hold_lock(task.run.parent, name=lock_name(task.run.with_name("0003"))))
        threading.Timer(0.1, held.close).start()
        with child._only_training_of(task.run.with_name("0003")):
            pass


def test_the_data_check_has_temporary_files_of_its_own(monkeypatch, task):
    program = (
        "import json, tempfile; file = tempfile.mkstemp()[1]; "
        "print(json.dumps({'classes': [file]}))"
    )
    _run_as(monkeypatch, program)
    architecture, recipe = spec.load(task.architecture), spec.load_recipe(task.recipe)
    check = DataCheck(task.data, architecture, recipe, seed=0)
    [left] = check.classes()
    folder = os.path.dirname(left)
    assert os.path.exists(left)
    assert folder != tempfile.gettempdir()
    check.close()
    assert not os.path.exists(folder)


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_a_killed_data_check_blames_the_machine_and_not_the_data(monkeypatch, task):
    _run_as(monkeypatch, "import os, sys; sys.stdin.read(); os.kill(os.getpid(), 9)")
    architecture, recipe = spec.load(task.architecture), spec.load_recipe(task.recipe)
    check = DataCheck(task.data, architecture, recipe, seed=0)
    killed = pytest.raises(MachineError, match="that checks the data was killed")
    with contextlib.closing(check), killed as caught:
        check.classes()
    assert caught.value.found == "the check was ended by SIGKILL, most likely for lack of memory"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_a_log_is_refused(task):
    task.log.parent.mkdir()
    os.mkfifo(task.log)
    with pytest.raises(UserError, match="is a named pipe"):
        perform(task)
