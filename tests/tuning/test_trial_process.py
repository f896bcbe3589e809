"""The process of a trial: its results, its failures, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from reszoo.errors import MachineError, RestartError, UserError
from reszoo.planning.cost import cost
from reszoo.runs import Run
from reszoo.training.train import train
from reszoo.tuning import Outcome, TrialJob, trial_process
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from reszoo.tuning.search_dir import SearchFolder, open_search_folder
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.strategies import create_proposer
from reszoo.tuning.trial_engine import RunnerEngine
from reszoo.tuning.trial_log import was_lost
from reszoo.tuning.trial_process import ChildRunner, DataCheck, SearchData, outcome_of
from reszoo.tuning.tune import tune
from tests.tuning.searches import BASE, SEARCH, write


@pytest.fixture
def resolved(tmp_path) -> ResolvedSearch:
    return resolve_search(write(tmp_path, SEARCH))


@pytest.fixture
def folder(tmp_path, resolved) -> SearchFolder:
    return open_search_folder(tmp_path / "out", resolved, {"name": "digits"})


@pytest.fixture
def job(resolved) -> TrialJob:
    candidate = resolved.sampler().draw()
    price = resolved.constraints.check(candidate).cost
    return TrialJob(
        1, 0, 0, 0, 2, resolved.space.changes(candidate), resolved.space.spec(candidate), price
    )


def _run_as(monkeypatch, program: str) -> None:
    def command(module: str, task: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", program, *arguments]

    monkeypatch.setattr(trial_process, "module_command", command)


def _finished_run(
    folder: SearchFolder, resolved: ResolvedSearch, job: TrialJob, accuracies, state="finished"
) -> Run:
    run = Run.create(
        folder.run_path(job.trial),
        architecture=job.architecture,
        recipe=resolved.recipe,
        data={"name": "digits"},
        command=["reszoo"],
        seed=0,
        default_name="x",
    )
    for epoch, accuracy in enumerate(accuracies, 1):
        run.append_metrics({"kind": "epoch", "epoch": epoch, "val_accuracy": accuracy})
    run.set_state(state, epochs=len(accuracies))
    return run


@pytest.mark.parametrize(("keep", "expected"), [("best", 0.75), ("last", 0.5)])
def test_a_trial_is_judged_by_the_checkpoint_that_its_run_keeps(
    folder, resolved, job, keep, expected
):
    run = _finished_run(folder, resolved, job, [0.25, 0.75, 0.5])
    validation = resolved.recipe.validation.model_copy(update={"keep": keep})
    recipe = resolved.recipe.model_copy(update={"validation": validation})
    assert outcome_of(run.path, recipe, 3) == Outcome(expected)
    assert outcome_of(run.path, recipe, 4) is None


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_a_run_that_did_not_finish_has_no_outcome_yet(folder, resolved, job, state):
    run = _finished_run(folder, resolved, job, [0.25, 0.75], state)
    assert outcome_of(run.path, resolved.recipe, 2) is None


def test_a_finished_run_is_read_and_not_trained_again(monkeypatch, folder, resolved, job):
    _run_as(monkeypatch, "raise SystemExit('trained again')")
    _finished_run(folder, resolved, job, [0.25, 0.75])
    assert ChildRunner(folder, resolved, SearchData("digits"))(job) == Outcome(0.75)


def test_a_child_that_fails_leaves_its_last_lines(monkeypatch, folder, resolved, job):
    noise = "I0000 00:00:1795217229.836534 15907 port.cc:153] oneDNN"
    program = (
        f"import sys; print('epoch 1'); print({noise!r}); print('error: no memory'); sys.exit(1)"
    )
    _run_as(monkeypatch, program)
    outcome = ChildRunner(folder, resolved, SearchData("digits"))(job)
    assert outcome.val_accuracy is None
    assert outcome.message == "the training ended with exit code 1\nepoch 1\nerror: no memory"
    assert noise in folder.log_path(1).read_text()


@pytest.mark.parametrize(
    ("end", "described"),
    [
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL, most likely for lack of memory"),
        ("sys.exit(75)", "ended with exit code 75"),
    ],
)
def test_a_child_that_is_lost_is_started_again_three_times(
    monkeypatch, folder, resolved, job, end, described
):
    _run_as(monkeypatch, f"import os, sys; print('begun', flush=True); {end}")
    outcome = ChildRunner(folder, resolved, SearchData("digits"))(job)
    assert outcome.message == (
        f"4 times in a row without a new checkpoint, the training {described}\nbegun"
    )
    assert folder.log_path(1).read_text().split() == ["begun"] * 4
    assert not was_lost(outcome.message)


def test_a_killed_child_leaves_no_temporary_files(monkeypatch, tmp_path, folder, resolved, job):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    _run_as(monkeypatch, "import os, tempfile; print(tempfile.mkstemp()[1]); os.abort()")
    ChildRunner(folder, resolved, SearchData("digits"))(job)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_lost_child_with_new_checkpoints_is_started_again_until_it_ends(
    monkeypatch, folder, resolved, job
):
    program = (
        "import os, pathlib, sys; folder = pathlib.Path(sys.argv[-1]) / 'checkpoints'; "
        "folder.mkdir(parents=True, exist_ok=True); count = len(list(folder.iterdir())); "
        "(folder / f'step-{count}.safetensors').touch(); "
        "sys.exit('ended') if count == 9 else os.kill(os.getpid(), 9)"
    )
    _run_as(monkeypatch, program)
    outcome = ChildRunner(folder, resolved, SearchData("digits"))(job)
    assert outcome.message == "the training ended with exit code 1\nended"


@pytest.mark.parametrize(
    "error",
    [
        "MachineError('no room', found='x', hint='free some')",
        "OSError(28, 'no room')",
        "MemoryError('no room')",
    ],
)
def test_a_machine_at_fault_stops_the_search_without_a_row(monkeypatch, folder, resolved, error):
    program = (
        "import sys; from reszoo.errors import MachineError\n"
        "from reszoo.tuning import trial_worker\n"
        f"def train(options): raise {error}\n"
        "trial_worker._train = train; sys.exit(trial_worker.main(['train', *sys.argv[1:]]))"
    )
    _run_as(monkeypatch, program)
    engine = RunnerEngine(ChildRunner(folder, resolved, SearchData("digits")))
    search_run = SearchRun(resolved, folder, engine)
    with pytest.raises(MachineError, match="too little disk or memory") as caught:
        search_run.run(create_proposer(resolved))
    assert (caught.value.found or "").endswith("no room")
    assert not folder.trial_log.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_log_on_a_full_disk_stops_the_search(monkeypatch, folder, resolved, job):
    _run_as(monkeypatch, "import sys; sys.stdout = open('/dev/full', 'w'); print('epoch 1')")
    folder.log_path(1).parent.mkdir(exist_ok=True)
    with pytest.raises(MachineError, match="too little disk or memory"):
        ChildRunner(folder, resolved, SearchData("digits"))(job)


def test_only_what_this_attempt_said_is_in_its_message(monkeypatch, folder, resolved, job):
    for word in ("first", "second"):
        _run_as(monkeypatch, f"raise SystemExit('{word}')")
        outcome = ChildRunner(folder, resolved, SearchData("digits"))(job)
        assert (outcome.message or "").endswith(f"\n{word}")
    assert folder.log_path(1).read_text().split() == ["first", "second"]


def test_a_child_that_ends_without_results_is_a_failed_trial(monkeypatch, folder, resolved, job):
    _run_as(monkeypatch, "")
    assert "without its results" in ChildRunner(folder, resolved, SearchData("digits"))(job).message


def test_a_training_that_others_stopped_is_not_a_failed_trial(monkeypatch, folder, resolved, job):
    _run_as(monkeypatch, "raise SystemExit(130)")
    with pytest.raises(RestartError, match="was stopped; its checkpoint is saved"):
        ChildRunner(folder, resolved, SearchData("digits"))(job)


def test_ctrl_c_stops_the_child_and_waits_for_its_checkpoint(
    monkeypatch, tmp_path, folder, resolved, job
):
    saved = tmp_path / "saved"
    program = (
        "import sys, time; sys.stdin.read(); time.sleep(0.3); "
        f"open({str(saved)!r}, 'w').close(); sys.exit(130)"
    )
    _run_as(monkeypatch, program)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        ChildRunner(folder, resolved, SearchData("digits"))(job)
    assert saved.exists()


def test_a_child_that_does_not_stop_is_ended(monkeypatch, folder, resolved, job):
    monkeypatch.setattr(trial_process, "STOP_SECONDS", 0.2)
    _run_as(monkeypatch, "import time; time.sleep(600)")
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ChildRunner(folder, resolved, SearchData("digits"))(job)
    assert time.monotonic() - begun < 30


def test_a_child_gets_a_ctrl_c_when_its_search_is_gone():
    program = (
        "import signal, time; from reszoo.runs.parent_watch import stop_without_parent; "
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


def test_the_data_check_has_temporary_files_of_its_own(monkeypatch, resolved):
    _run_as(
        monkeypatch,
        "import json, tempfile; file = tempfile.mkstemp()[1]; "
        "print(json.dumps({'classes': [file]}))",
    )
    check = DataCheck(SearchData("digits"), resolved)
    [left] = check.classes()
    folder = os.path.dirname(left)
    assert os.path.exists(left)
    assert folder != tempfile.gettempdir()
    check.close()
    assert not os.path.exists(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_a_log_is_refused(folder, resolved, job):
    os.mkfifo(folder.log_path(job.trial))
    with pytest.raises(UserError, match="is a named pipe"):
        ChildRunner(folder, resolved, SearchData("digits"))(job)
    os.mkfifo(folder.trial_log)
    with pytest.raises(UserError, match="is a named pipe"):
        folder.records()
