"""References, and the best candidates once more with other seeds."""

from __future__ import annotations

import statistics

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.further_jobs import seed_of
from reszoo.tuning.tune import tune
from tests.tuning.searches import BASE, SEARCH, Trainings, accuracy, write
from tests.tuning.test_search_run import ShuffledEngine, files_of, search

GRID = SEARCH.replace("{kind: random, trials: 6", "{kind: grid, trials: 8")
CONFIRM = GRID + "confirm: {best: 3, seeds: 2}\n"


class Lucky(Trainings):
    """The first training of each trial is off by luck; the further ones are not."""

    def __call__(self, job):
        self.jobs.append(job)
        luck = {1: 0.3, 2: 0.25}.get(job.trial, 0.0) if job.repeat == 0 else 0.0
        return JobOutcome(round(accuracy(job.changes, job.epochs) / 2 + luck, 4))


def test_the_best_are_trained_again_and_the_highest_mean_wins(tmp_path):
    trainings = Lucky()
    result = tune(write(tmp_path, CONFIRM), out=tmp_path / "out", runner=trainings)
    firsts = {record.trial: record for record in result.records if record.kind == "trial"}
    luckiest = sorted(firsts, key=lambda trial: -firsts[trial].val_accuracy)[:3]
    again = [job for job in trainings.jobs if job.kind == "confirm"]
    assert [(job.trial, job.repeat) for job in again] == [
        (trial, repeat) for trial in luckiest for repeat in (1, 2)
    ]
    assert all((job.from_epoch, job.epochs) == (0, 4) for job in again)
    means = {
        trial: statistics.fmean(
            record.val_accuracy for record in result.records if record.trial == trial
        )
        for trial in luckiest
    }
    assert result.means == means
    winner = max(means, key=means.get)
    assert (result.best.trial, result.trials[0].trial) == (winner, winner)
    assert result.spec == spec.load(result.best_path)
    assert result.spec.source == f"reszoo tune small, seed 0, trial {winner}"
    assert "mean val_accuracy of all seeds" in result.best_path.read_text()
    assert (result.planned, len(result.records)) == (14, 14)


def test_a_confirmed_search_needs_no_training_again(tmp_path):
    file = write(tmp_path, CONFIRM)
    whole = tune(file, out=tmp_path / "out", runner=Lucky())
    before = files_of(whole.path)
    trainings = Lucky()
    again = tune(file, out=tmp_path / "out", runner=trainings)
    assert trainings.jobs == []
    assert (again.best, again.means) == (whole.best, whole.means)
    assert files_of(whole.path) == before


def test_a_trial_whose_confirmation_failed_does_not_win(tmp_path):
    lucky = Lucky()

    def run(job):
        failed = job.kind == "confirm" and job.trial == 1
        return JobOutcome(message="nan") if failed else lucky(job)

    result = tune(write(tmp_path, CONFIRM), out=tmp_path / "out", runner=run)
    assert 1 not in result.means
    assert result.best.trial != 1


def test_seeds_are_drawn_from_the_seed_of_the_search():
    assert seed_of(7, 0) == 7
    seeds = {seed_of(seed, repeat) for seed in range(20) for repeat in range(1, 4)}
    assert len(seeds) == 60
    assert seed_of(7, 1) == seed_of(7, 1)


def test_references_are_trained_beside_the_search(tmp_path):
    file = write(tmp_path, GRID + "references: [wide.yaml]\nlimits: {parameters: 14000}\n")
    wide = BASE.replace("width: 16", "width: 64").replace("name: tiny", "name: wide")
    (tmp_path / "wide.yaml").write_text(wide)
    serial = search(file, tmp_path / "serial", ShuffledEngine(1))
    (reference,) = (record for record in serial.records if record.kind == "reference")
    assert serial.records[-1] == reference
    assert (reference.reference, reference.epochs) == ("wide", 4)
    assert reference.cost["parameters"] > 14_000
    assert serial.best.kind == "trial"
    search(file, tmp_path / "parallel", ShuffledEngine(5))
    assert files_of(tmp_path / "parallel") == files_of(tmp_path / "serial")
    (tmp_path / "wide.yaml").unlink()
    trainings = Trainings()
    out = tmp_path / "serial"
    result = tune(out / "search.yaml", out=out, runner=trainings)
    assert trainings.jobs == []
    assert result.references == [reference]


@pytest.mark.parametrize(
    ("name", "told"), [("resnet20", "takes other images"), ("resnet8_digts", "no architecture")]
)
def test_a_reference_that_cannot_be_trained_is_told_first(tmp_path, name, told):
    file = write(tmp_path, GRID + f"references: [{name}]\n")
    with pytest.raises(UserError, match=told) as caught:
        tune(file, out=tmp_path / "out", runner=lambda job: pytest.fail("trained"))
    assert str(file) in str(caught.value.where)
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_fields_of_the_recipe_are_in_the_folder(tmp_path):
    text = GRID.replace(
        "  block.connection", "  recipe.schedule.peak: {choices: [0.001, 0.01]}\n  block.connection"
    )
    result = tune(write(tmp_path, text), out=tmp_path / "out", runner=Trainings())
    best = spec.load_recipe(str(result.recipe_path))
    assert result.recipe_path.name == "best.recipe.yaml"
    assert best.schedule.peak == result.best.changes["recipe.schedule.peak"]
    own = result.path / "candidates" / f"{result.best.trial:04d}.recipe.yaml"
    assert spec.load_recipe(str(own)) == best
