"""A run that was stopped, killed or ended early goes on as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import keras
import pytest

from reszoo.errors import UserError
from reszoo.inference.find_network import require_model
from reszoo.runs import Run
from reszoo.training import TrainingStopped
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data, bars

# A state after every step, and steps slow enough for the parent to choose its moment.
CHILD = textwrap.dedent(
    """
    import sys, time
    import keras
    from reszoo.training.train import train
    from tests.training.samples import SHORT, TINY, bar_data

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.1)

    train(TINY, bar_data(), SHORT, seed=7, out=sys.argv[1], quiet=True, callbacks=[Slow()],
          checkpoint_every=1)
    """
)


def signal_at(step, number):
    """A callback that signals this very process after step `step` of the second epoch."""

    class Signal(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 1 and batch == step:
                os.kill(os.getpid(), number)

    return Signal()


def test_two_runs_with_one_seed_are_equal(tmp_path, reference, assert_equal_runs):
    again = train(TINY, bar_data(), SHORT, seed=7, out=tmp_path / "run", quiet=True)
    assert_equal_runs(again, reference)


@pytest.mark.slow  # cli/test_kill9.py kills one run quickly
def test_a_killed_run_resumes_bit_for_bit(tmp_path, reference, assert_equal_runs):
    out = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(out)]) as child:
        # Past the first epoch and inside the second: six steps of sixteen make an epoch.
        until = time.monotonic() + 120
        while not list(out.glob("checkpoints/step-00000000[89].safetensors")):
            assert child.poll() is None, "the child ended before it was killed"
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    assert not (out / "model.keras").exists()
    assert Run.open(out).state == "running"
    assert_equal_runs(resume(out, data=bar_data(), quiet=True), reference)


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 75)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_stops_after_the_step_and_the_run_resumes(
    tmp_path, reference, assert_equal_runs, number, exit_code
):
    out = tmp_path / "run"
    before = signal.getsignal(number)
    with pytest.raises(TrainingStopped, match="epoch 2 after step 3 of 6") as stopped:
        train(
            TINY,
            bar_data(),
            SHORT,
            seed=7,
            out=out,
            quiet=True,
            callbacks=[signal_at(2, number)],
        )
    assert stopped.value.exit_code == exit_code
    assert f"reszoo resume {out}" in str(stopped.value)
    assert signal.getsignal(number) == before
    assert Run.open(out).state == "interrupted"
    assert_equal_runs(resume(out, data=bar_data(), quiet=True), reference)
    assert Run.open(out).state == "finished"


def test_an_early_end_goes_on_to_the_same_end(begun, reference):
    assert begun.info["epochs"] == 1
    assert begun.model_path.exists()
    run = resume(begun, epochs=2, data=bar_data(), quiet=True)
    assert [line["epoch"] for line in run.metrics()] == [1, 2]
    run = resume(run, data=bar_data(), quiet=True)
    assert run.metrics() == reference.metrics()[:-1]


def test_a_finished_run_is_left_alone(reference):
    before = reference.model_path.stat().st_mtime_ns
    (left := reference.path / ".run.json.abcdefgh.partial").mkdir()  # of a kill at the very end
    again = resume(reference.path, data=bar_data(), quiet=True)
    assert again.state == "finished"
    assert not left.exists()
    assert reference.model_path.stat().st_mtime_ns == before


def test_a_finished_run_that_lost_its_network_writes_it_again(reference):
    before, metrics = reference.model_path.read_bytes(), reference.metrics()
    reference.model_path.unlink()
    with pytest.raises(UserError, match=r"no model\.keras any more") as caught:
        require_model(Run.open(reference.path))
    assert f"`reszoo resume {reference.path}`" in caught.value.hint
    again = resume(reference.path, data=bar_data(), quiet=True)
    assert (again.state, again.metrics()) == ("finished", metrics)
    assert reference.model_path.read_bytes() == before


def test_a_run_without_network_and_checkpoints_cannot_be_resumed(tmp_path, reference):
    files = shutil.ignore_patterns("model.keras", "step-*")
    lost = shutil.copytree(reference.path, tmp_path / "lost", ignore=files)
    with pytest.raises(UserError, match=r"no model\.keras any more, and no checkpoint"):
        resume(lost, data=bar_data(), quiet=True)


def test_more_epochs_stretch_the_schedule(tmp_path):
    out = tmp_path / "run"
    recipe = SHORT.model_copy(update={"epochs": 1})
    run = train(TINY, bar_data(), recipe, out=out, test=False, quiet=True)
    run = resume(run, epochs=2, data=bar_data(), quiet=True)
    assert run.recipe().epochs == 2
    assert [line["epoch"] for line in run.metrics()] == [1, 2]


def test_data_given_in_memory_must_be_given_again(reference):
    reference.set_state("interrupted")
    with pytest.raises(UserError, match="given in memory"):
        resume(reference.path, quiet=True)
    reference.set_state("finished")


def test_other_training_images_are_refused(begun):
    images, labels = bars(120)
    with pytest.raises(UserError, match="have changed"):
        resume(begun, data={"train": (images, labels[::-1]), "test": bars(30)}, quiet=True)


def test_a_run_in_use_is_not_resumed(reference):
    with reference.lock(), pytest.raises(UserError, match="is in use"):
        resume(reference.path, data=bar_data(), epochs=4, quiet=True)
