"""Keras callbacks work in our loop as in `fit`, and go on in a run that goes on."""

import csv
import importlib.util
import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest
from keras.callbacks import (
    BackupAndRestore,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    SwapEMAWeights,
    TensorBoard,
    TerminateOnNaN,
)

from reszoo.errors import GateError, UserError
from reszoo.inference.trained import load_trained
from reszoo.runs import Run
from reszoo.training import TrainingStopped
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data

PLAIN = SHORT.model_validate(
    SHORT.model_dump() | {"schedule": {"kind": "constant", "peak": 0.05}, "ema": None, "epochs": 6}
)
HAS_TENSORBOARD = importlib.util.find_spec("tensorboard") is not None


class Kill(BaseException):
    """Ends a training as a kill does: nothing is caught, nothing more is saved."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, epoch, step):
        super().__init__()
        self.at = (epoch, step)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise Kill


class Diary(keras.callbacks.Callback):
    """A user's own, with every hook and plain state."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.losses = {"batch": [], "epoch": np.zeros(0)}

    def on_train_begin(self, logs=None):
        self.calls.append("train")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch", epoch))

    def on_train_batch_end(self, batch, logs=None):
        self.losses["batch"].append((batch, logs["loss"], sorted(logs)))

    def on_test_begin(self, logs=None):
        self.calls.append("test")

    def on_test_batch_end(self, batch, logs=None):
        self.calls.append(("tested", batch, sorted(logs)))

    def on_test_end(self, logs=None):
        self.calls.append(sorted(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.losses["epoch"] = np.append(self.losses["epoch"], logs["val_loss"])


class Kept(keras.callbacks.Callback):
    """Keeps the weights that a callback sees at the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


class Counter(keras.callbacks.Callback):
    """A user's own that says itself what to save."""

    def __init__(self):
        super().__init__()
        self._lines = iter(range(10**6))
        self._count = 0

    def on_epoch_end(self, epoch, logs=None):
        self._count = next(self._lines)

    def get_state(self):
        return {"count": self._count}

    def set_state(self, state):
        self._count = state["count"]
        self._lines = iter(range(self._count + 1, 10**6))


def trained(out, callbacks, recipe=PLAIN, **changes):
    options = {"seed": 7, "quiet": True, "test": False} | changes
    return train(TINY, bar_data(), recipe, out=out, callbacks=callbacks, **options)


def killed(out, callbacks, epoch, step, recipe=PLAIN, every=1):
    with pytest.raises(Kill):
        trained(out, [*callbacks, KillAt(epoch, step)], recipe, checkpoint_every=every)
    return Run.open(out)


def metrics(run):
    return (run.path / "metrics.jsonl").read_bytes()


def weights(run):
    return load_trained(run).model.get_weights()


def assert_equal(run, other):
    assert metrics(run) == metrics(other)
    if run.model_path.read_bytes() == other.model_path.read_bytes():
        return
    for one, two in zip(weights(run), weights(other), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A run with all of Keras's callbacks and a user's own."""
    folder = tmp_path_factory.mktemp("everything")
    diary = Diary()
    epochs, kept = [], Kept()
    callbacks = [
        EarlyStopping(patience=50, restore_best_weights=True),
        ModelCheckpoint(folder / "best.keras", monitor="val_accuracy", save_best_only=True),
        ModelCheckpoint(folder / "last.weights.h5", save_weights_only=True),
        ReduceLROnPlateau(factor=0.5, patience=50),
        LearningRateScheduler(lambda epoch, rate: rate * 0.9 if epoch else rate),
        CSVLogger(folder / "log.csv"),
        TerminateOnNaN(),
        BackupAndRestore(folder / "backup"),
        LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch)),
        diary,
        kept,
    ]
    if HAS_TENSORBOARD:
        callbacks.append(TensorBoard(folder / "board", update_freq=1))
    run = trained(folder / "run", callbacks, epochs=3)
    return folder, run, diary, epochs, kept


def test_every_keras_callback_runs(everything):
    folder, run, _, epochs, _ = everything
    lines = run.metrics()
    assert epochs == [0, 1, 2]
    rows = list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
    assert [float(row["val_loss"]) for row in rows] == [line["val_loss"] for line in lines]
    rates = [0.05, 0.05 * 0.9, 0.05 * 0.81]
    assert [line["learning_rate"] for line in lines] == pytest.approx(rates)
    assert (folder / "last.weights.h5").stat().st_size > 0
    assert not (folder / "backup").exists()


def test_a_model_checkpoint_holds_the_weights_of_its_epoch(everything):
    folder, run, _, _, kept = everything
    best = keras.models.load_model(folder / "best.keras")
    accuracies = [line["val_accuracy"] for line in run.metrics()]
    theirs = kept.weights[accuracies.index(max(accuracies))]
    for one, two in zip(best.get_weights(), theirs, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.skipif(not HAS_TENSORBOARD, reason="needs the tensorboard package")
def test_tensorboard_writes_its_curves(everything):
    folder = everything[0]
    assert list((folder / "board").rglob("events*"))


def test_hooks_are_called_in_the_order_of_fit_with_its_logs(everything):
    _, run, diary, _, _ = everything
    tested = [("tested", 0, ["accuracy", "loss"])]
    epochs = [[("epoch", one), "test", *tested, ["accuracy", "loss"]] for one in range(3)]
    assert diary.calls == ["train", *(call for epoch in epochs for call in epoch)]
    assert [batch for batch, _, _ in diary.losses["batch"]] == [0, 1, 2, 3, 4, 5] * 3
    assert diary.losses["batch"][5][1] == run.metrics()[0]["loss"]
    assert diary.losses["batch"][0][2] == ["accuracy", "loss"]


def test_the_metrics_are_read_at_each_step_only_when_a_callback_looks(tmp_path, monkeypatch):
    from reszoo.training.loop.loop import Loop

    asked = []
    results = Loop.results

    def counted(self, which):
        asked.append(1)
        return results(self, which)

    monkeypatch.setattr(Loop, "results", counted)
    epoch_wise = [
        ModelCheckpoint(tmp_path / "x.keras"),
        EarlyStopping(),
        BackupAndRestore(tmp_path / "backup"),
    ]
    trained(tmp_path / "one", epoch_wise, epochs=1)
    few = len(asked)
    trained(tmp_path / "two", [Diary()], epochs=1)
    assert len(asked) - few >= few + 6


@pytest.mark.parametrize("ema", [pytest.param(None, marks=pytest.mark.slow), 0.8])
def test_early_stopping_has_the_last_word_about_the_weights(tmp_path, ema):
    """Wherever it stops, model.keras is what it restored, also under a moving average."""
    recipe = PLAIN.model_copy(update={"ema": ema})
    stop = EarlyStopping("val_accuracy", mode="min", patience=2, restore_best_weights=True)
    run = trained(tmp_path / "run", [stop], recipe)
    lines = run.metrics()
    assert run.info["epochs"] == len(lines) == stop.best_epoch + 3
    alone = recipe.model_copy(
        update={"validation": recipe.validation.model_copy(update={"keep": "last"})}
    )
    short = trained(tmp_path / "short", [], alone, stop_after=stop.best_epoch + 1)
    for one, two in zip(weights(run), weights(short), strict=True):
        np.testing.assert_array_equal(one, two)


def stopping_early():
    return [EarlyStopping("val_accuracy", mode="min", patience=3, restore_best_weights=True)]


@pytest.fixture(scope="module")
def stopped_early(tmp_path_factory):
    """An uninterrupted run with early stopping."""
    return trained(tmp_path_factory.mktemp("stopped") / "run", stopping_early())


@pytest.mark.slow  # the next two tests show a kill in an epoch, and early stopping
@pytest.mark.parametrize(("epoch", "step"), [(2, 3), (3, 0)])
def test_a_killed_run_with_early_stopping_ends_as_the_uninterrupted_one(
    tmp_path, stopped_early, epoch, step
):
    whole = stopped_early
    assert 3 < whole.info["epochs"] < 6
    run = killed(tmp_path / "run", stopping_early(), epoch, step)
    (again,) = callbacks = stopping_early()
    assert_equal(resume(run, data=bar_data(), callbacks=callbacks, quiet=True), whole)
    assert again.best is not None


def test_a_killed_run_with_a_falling_rate_ends_as_the_uninterrupted_one(tmp_path):
    def falling():
        return [
            ReduceLROnPlateau("val_accuracy", mode="min", factor=0.5, patience=1, cooldown=1),
            LearningRateScheduler(lambda epoch, rate: rate * 0.95),
            Diary(),
            Counter(),
        ]

    whole = trained(tmp_path / "whole", kept := falling())
    rates = [line["learning_rate"] for line in whole.metrics()]
    assert rates[-1] < rates[0] / 2
    run = killed(tmp_path / "run", falling(), 3, 4)
    again = falling()
    assert_equal(resume(run, data=bar_data(), callbacks=again, quiet=True), whole)
    (before, _, diary, counter), (after, _, other, counted) = kept, again
    for name in ("wait", "cooldown_counter", "best"):
        assert getattr(before, name) == getattr(after, name), name
    assert diary.losses["batch"] == other.losses["batch"]
    np.testing.assert_array_equal(diary.losses["epoch"], other.losses["epoch"])
    assert counter.get_state() == counted.get_state() == {"count": 5}


def test_a_run_killed_after_a_callback_ended_it_does_not_train_on(tmp_path, stopped_early):
    class KillAtTheEnd(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            raise Kill

    with pytest.raises(Kill):
        trained(tmp_path / "run", [*stopping_early(), KillAtTheEnd()])
    run = resume(tmp_path / "run", data=bar_data(), callbacks=stopping_early(), quiet=True)
    assert_equal(run, stopped_early)


class StopAt(keras.callbacks.Callback):
    """Ends the training after a step of the first epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            self.model.stop_training = True


@pytest.fixture(scope="module")
def ended_inside(tmp_path_factory):
    """A run that a callback ended inside its first epoch."""
    return trained(tmp_path_factory.mktemp("ended") / "run", [StopAt()])


@pytest.fixture
def ended(ended_inside, tmp_path):
    """A copy of it."""
    return Run.open(shutil.copytree(ended_inside.path, tmp_path / "ended"))


def test_a_callback_may_stop_inside_an_epoch(ended_inside):
    lines = ended_inside.metrics()
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 3)]
    assert ended_inside.state == "finished"


def test_a_run_killed_in_the_epoch_in_which_a_callback_ended_it_does_not_train_on(
    tmp_path, ended_inside
):
    class KillWhileValidating(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            raise Kill

    callbacks = [StopAt(), KillWhileValidating()]
    with pytest.raises(Kill):
        trained(tmp_path / "run", callbacks, checkpoint_every=1)
    run = resume(tmp_path / "run", data=bar_data(), callbacks=[StopAt()], quiet=True)
    assert_equal(run, ended_inside)


def test_resuming_a_run_that_a_callback_ended_does_not_train_on(ended):
    run = ended
    assert run.info["ended_by_callback"] and run.info["epochs"] < run.recipe().epochs
    assert metrics(resume(run, data=bar_data(), quiet=True)) == metrics(run)
    run = resume(run, epochs=2, data=bar_data(), quiet=True)
    assert run.info["epochs"] == 2 and "ended_by_callback" not in run.info


def test_what_callbacks_were_there_is_told(tmp_path, capsys):
    run = killed(tmp_path / "run", [EarlyStopping(patience=9)], 1, 0)
    resume(run, epochs=2, data=bar_data(), callbacks=[Counter()])
    told = capsys.readouterr().err
    assert "the callback EarlyStopping is missing now" in told
    assert "the callback Counter is new" in told


def test_a_moving_average_is_what_callbacks_see_at_the_end_of_an_epoch(tmp_path):
    recipe = PLAIN.model_copy(update={"ema": 0.8})
    with_swap = trained(
        tmp_path / "run", [SwapEMAWeights(True), kept := Kept()], recipe, stop_after=2
    )
    alone = recipe.model_copy(
        update={"validation": recipe.validation.model_copy(update={"keep": "last"})}
    )
    without = trained(tmp_path / "alone", [], alone, stop_after=2)
    assert metrics(with_swap) == metrics(without)
    for one, two in zip(weights(without), kept.weights[-1], strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("callback", "recipe", "message"),
    [
        (SwapEMAWeights(), PLAIN, "needs a moving average"),
        (ReduceLROnPlateau(), SHORT, "and so does the recipe's schedule"),
        (LearningRateScheduler(lambda epoch: 0.1), SHORT, "and so does the recipe's schedule"),
    ],
)
def test_what_cannot_work_with_the_recipe_is_refused(tmp_path, callback, recipe, message):
    with pytest.raises(UserError, match=message):
        trained(tmp_path / "run", [callback], recipe)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_ends_with_our_message_under_terminate_on_nan(tmp_path):
    recipe = PLAIN.model_validate(
        PLAIN.model_dump() | {"schedule": {"kind": "constant", "peak": 1e30}}
    )
    with pytest.raises(GateError, match="no longer a number at step"):
        trained(tmp_path / "run", [TerminateOnNaN()], recipe)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


def test_more_epochs_of_a_run_that_a_callback_ended_survive_an_interrupt(ended):
    """The callback that ended the run does not end what was asked for afterwards."""

    class EndAt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.stop_training = True

    assert (ended.state, ended.info["epochs"]) == ("finished", 1)
    interrupt = KeyboardInterruptAt(2)
    with pytest.raises(TrainingStopped) as stopped:
        resume(ended, epochs=3, data=bar_data(), callbacks=[EndAt(), interrupt], quiet=True)
    assert stopped.value.exit_code == 130
    run = resume(ended, epochs=3, data=bar_data(), callbacks=[EndAt()], quiet=True)
    assert (run.state, run.info["epochs"]) == ("finished", 3)


class KeyboardInterruptAt(keras.callbacks.Callback):
    """Sends Ctrl-C after a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            os.kill(os.getpid(), signal.SIGINT)
