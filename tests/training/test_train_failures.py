"""What a bad machine does to a training: it stops with a sentence; the last good state stays."""

import errno
import os
import resource
import shutil
import signal
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.errors import GateError, MachineError, UserError
from reszoo.runs import Run
from reszoo.runs import run as run_module
from reszoo.training import TrainingStopped
from reszoo.training.checkpoint.checkpoints import Checkpoints
from reszoo.training.loop.loop import Loop
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data


class At(keras.callbacks.Callback):
    """Does something after a step of the second epoch."""

    def __init__(self, step, deed):
        super().__init__()
        self.step, self.deed = step, deed

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, self.step):
            self.deed(self.model)


def start(out, deed=None, step=2, **changes):
    callbacks = [At(step, deed)] if deed else []
    options = {"seed": 7, "quiet": True, "checkpoint_every": 1} | changes
    return train(TINY, bar_data(), SHORT, out=out, callbacks=callbacks, **options)


@pytest.mark.parametrize("code", [errno.ENOSPC, pytest.param(errno.EDQUOT, marks=pytest.mark.slow)])
def test_a_disk_that_fills_stops_the_training_and_leaves_the_last_state(
    tmp_path, reference, assert_equal_runs, monkeypatch, code
):
    def full(path):
        raise OSError(code, os.strerror(code))

    def fill(model):
        monkeypatch.setattr("reszoo.atomic_files._flush", full)

    with pytest.raises(MachineError, match=r"step-000000009\.safetensors") as error:
        start(tmp_path / "run", fill)
    assert (error.value.exit_code, "free some space" in error.value.hint) == (1, True)
    monkeypatch.undo()
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["best.safetensors", "step-000000007.safetensors", "step-000000008.safetensors"]
    assert_equal_runs(resume(tmp_path / "run", data=bar_data(), quiet=True), reference)


@pytest.mark.slow
def test_a_file_that_may_not_grow_stops_the_training_likewise(
    tmp_path, reference, assert_equal_runs
):
    """A real limit of the kernel, in the middle of writing a state."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(model):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))

    try:
        with pytest.raises(MachineError, match="File too large"):
            start(tmp_path / "run", limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert Checkpoints(tmp_path / "run" / "checkpoints").last().facts["steps"] == 8
    assert_equal_runs(resume(tmp_path / "run", data=bar_data(), quiet=True), reference)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 300 kB, where this user may make one."""
    (place := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_real_full_disk(small_disk, reference, assert_equal_runs):
    """It takes what it can; the run goes on when there is room again."""
    filler = small_disk / "filler"

    def fill(model):
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1000)

    with pytest.raises(MachineError, match="No space left on device"):
        start(small_disk / "run", fill, checkpoint_every=1)
    assert Checkpoints(small_disk / "run" / "checkpoints").last().facts["steps"] == 8
    filler.unlink()
    run = resume(small_disk / "run", data=bar_data(), quiet=True)
    assert_equal_runs(run, reference)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3.00 GiB"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor [256,64]"),
    ],
    ids=["python", "tensorflow"],
)
def test_too_little_memory_says_what_to_lower(tmp_path, monkeypatch, error):
    def greedy(self, *batch):
        raise error

    monkeypatch.setattr(Loop, "train", greedy)
    with pytest.raises(MachineError, match="not enough memory for tiny: batch 16") as told:
        start(tmp_path / "run")
    assert told.value.exit_code == 1
    for word in ("--accumulate 2", "batch=8", "input.shape=[4,4,1]", "mixed_bfloat16"):
        assert word in told.value.hint
    assert Run.open(tmp_path / "run").state == "failed"


def test_too_little_memory_to_build_says_so_too_and_leaves_nothing(tmp_path, monkeypatch):
    def greedy(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("reszoo.training.assemble_on_workers.assemble", greedy)
    with pytest.raises(MachineError, match="not enough memory"):
        start(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_state_is_written_of_weights_that_are_no_numbers(tmp_path):
    """The loss of a step is a number, and the weights after it are not."""

    def spoil(model):
        model.trainable_variables[0].assign(model.trainable_variables[0] * np.nan)

    with pytest.raises(GateError, match="a weight is no longer a number at step 9") as error:
        start(tmp_path / "run", spoil)
    assert "step-000000008.safetensors" in error.value.found
    assert Checkpoints(tmp_path / "run" / "checkpoints").last().facts["steps"] == 8


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that SIGTERM stopped in its second epoch."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(TrainingStopped):
        start(out, lambda model: os.kill(os.getpid(), signal.SIGTERM))
    return out


def test_a_truncated_state_is_passed_over_on_the_way_to_the_same_end(
    tmp_path, stopped, reference, assert_equal_runs, capsys
):
    newest = Run.open(shutil.copytree(stopped, tmp_path / "run")).newest_checkpoint()
    assert newest.name == "step-000000009.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    run = resume(tmp_path / "run", data=bar_data())
    told = capsys.readouterr().err
    assert "a damaged checkpoint was skipped: step-000000009.safetensors" in told
    assert "resuming at epoch 2, step 2" in told
    assert_equal_runs(run, reference)


def test_a_state_of_another_network_is_refused(tmp_path, stopped):
    run = Run.open(shutil.copytree(stopped, tmp_path / "run"))
    run.write_architecture(
        TINY.model_copy(update={"stem": TINY.stem.model_copy(update={"filters": 6})})
    )
    with pytest.raises(UserError, match="belongs to another network"):
        resume(run, data=bar_data(), quiet=True)


def test_a_signal_while_the_network_is_judged_is_obeyed_at_once(
    tmp_path, reference, assert_equal_runs, monkeypatch
):
    """Even when that takes long: the state is that before it."""

    class Judged(keras.callbacks.Callback):
        batches = 0

        def on_test_batch_begin(self, batch, logs=None):
            self.batches += 1
            if batch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("reszoo.training.validation.batch_size_for", lambda image_format: 8)
    judged = Judged()
    with pytest.raises(TrainingStopped, match="epoch 1 after step 6 of 6") as stopped:
        train(TINY, bar_data(), SHORT, seed=7, out=tmp_path / "run", callbacks=[judged], quiet=True)
    assert (stopped.value.exit_code, judged.batches) == (75, 2)
    monkeypatch.undo()
    assert_equal_runs(resume(tmp_path / "run", data=bar_data(), quiet=True), reference)


@pytest.mark.slow
def test_a_signal_while_a_state_is_written_waits_for_it(
    tmp_path, reference, assert_equal_runs, monkeypatch
):
    replace = os.replace

    def signalled(source, target):
        if "step-000000009" in str(target):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # Passed on to the whole group: one request.
        replace(source, target)

    monkeypatch.setattr(os, "replace", signalled)
    with pytest.raises(TrainingStopped, match=r"epoch 2 after step \d of 6"):
        start(tmp_path / "run")
    monkeypatch.undo()
    assert_equal_runs(resume(tmp_path / "run", data=bar_data(), quiet=True), reference)


def test_an_interrupt_while_the_saved_network_is_tested_asks_for_a_restart(
    tmp_path, reference, assert_equal_runs, monkeypatch
):
    class Terminated(KeyboardInterrupt):
        exit_code = 143

    def interrupted(*arguments, **options):
        raise Terminated

    monkeypatch.setattr("reszoo.training.fit_run.evaluate", interrupted)
    with pytest.raises(TrainingStopped, match="was stopped immediately") as stopped:
        start(tmp_path / "run")
    assert stopped.value.exit_code == 75
    assert Run.open(tmp_path / "run").state == "interrupted"
    monkeypatch.undo()
    assert_equal_runs(resume(tmp_path / "run", data=bar_data(), quiet=True), reference)


class Killed(BaseException):
    """Ends a training as a kill does: nothing catches it."""


def test_a_run_killed_before_it_was_one_is_begun_again_in_its_folder(
    tmp_path, reference, assert_equal_runs, monkeypatch
):
    """The folder is a copy of what a kill would leave before run.json is written."""

    def killed(path, value):
        if path.name == "run.json":
            shutil.copytree(path.parent, tmp_path / "left")
            raise Killed
        write_json(path, value)

    write_json = run_module.write_json
    monkeypatch.setattr(run_module, "write_json", killed)
    with pytest.raises(Killed):
        start(tmp_path / "run", checkpoint_every=None)
    monkeypatch.undo()
    left = tmp_path / "left"
    assert (left / "recipe.yaml").exists()
    assert not (left / "run.json").exists()
    assert_equal_runs(train(TINY, bar_data(), SHORT, seed=7, out=left, quiet=True), reference)


def test_the_cadence_is_kept_by_a_resumed_run(tmp_path):
    with pytest.raises(TrainingStopped):
        start(
            tmp_path / "run",
            lambda model: os.kill(os.getpid(), signal.SIGTERM),
            checkpoint_every="4steps",
            keep_checkpoints=3,
        )
    run = resume(tmp_path / "run", data=bar_data(), quiet=True, keep_checkpoints=4)
    assert run.info["running"] == {"checkpoint_every": "4steps", "keep_checkpoints": 4}
    steps = sorted(path.name for path in run.checkpoints.glob("step-*"))
    assert [int(name[5:14]) for name in steps] == [9, 12, 16, 18]


def test_a_second_run_in_the_making_is_refused_and_harms_nothing(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    from reszoo.runs.lock import hold_lock

    with hold_lock(run), pytest.raises(UserError, match="is in use"):
        start(run)
    assert run.exists()
