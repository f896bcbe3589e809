"""Early stopping ends a training after the epochs without a new best one, exactly when resumed."""

import keras
import pytest

from reszoo.runs import Run
from reszoo.training.train import resume, train
from reszoo.training.validation import Validator
from tests.training.samples import SHORT, TINY, bar_data

EPOCHS = 8
PATIENT = SHORT.model_validate(
    SHORT.model_dump() | {"ema": None, "epochs": EPOCHS, "early_stopping": 2}
)
SCORES = (0.1, 0.5, 0.4, 0.6, 0.6, 0.5, 0.3, 0.2)
"""Validation accuracies of the epochs. The best is the fifth: of equal ones, the later is kept."""


class Kill(BaseException):
    """Ends a training as a kill does: nothing is caught, nothing more is saved."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Kill


@pytest.fixture(autouse=True)
def scores(monkeypatch):
    """Gives the epochs of a training the validation accuracies of `SCORES`."""
    epoch = Validator.save_if_best

    def scored(self, checkpoints, done, metrics):
        metrics |= {"val_accuracy": SCORES[done - 1], "val_loss": 1.0}
        epoch(self, checkpoints, done, metrics)

    monkeypatch.setattr(Validator, "save_if_best", scored)


def epochs_of(run: Run) -> list[int]:
    return [line["epoch"] for line in run.metrics() if line["kind"] == "epoch"]


def test_a_training_ends_after_the_epochs_of_its_patience(tmp_path, capsys):
    run = train(TINY, bar_data(), PATIENT, out=tmp_path / "run", test=False)
    assert epochs_of(run) == [1, 2, 3, 4, 5, 6, 7]
    assert (run.state, run.info["ended_by_callback"], run.info["best"]["epoch"]) == (
        "finished",
        True,
        5,
    )
    assert "epoch 7: ended early, as the best epoch was 5 (early_stopping: 2)" in (
        capsys.readouterr().err
    )
    assert epochs_of(resume(run, data=bar_data(), quiet=True)) == [1, 2, 3, 4, 5, 6, 7]
    run.model_path.unlink()  # and where it has to be written again
    again = resume(run, data=bar_data(), quiet=True)
    assert (epochs_of(again), again.model_path.is_file()) == ([1, 2, 3, 4, 5, 6, 7], True)
    assert again.info["ended_by_callback"] is True
    longer = resume(run, epochs=EPOCHS, data=bar_data(), quiet=True)
    assert epochs_of(longer) == list(range(1, EPOCHS + 1))


def test_a_killed_training_ends_after_the_same_epoch(tmp_path):
    with pytest.raises(Kill):
        train(
            TINY,
            bar_data(),
            PATIENT,
            out=tmp_path / "run",
            test=False,
            callbacks=[KillAt(6)],
            quiet=True,
        )
    run = resume(tmp_path / "run", data=bar_data(), callbacks=[KillAt(EPOCHS)], quiet=True)
    assert (epochs_of(run), run.state) == ([1, 2, 3, 4, 5, 6, 7], "finished")
