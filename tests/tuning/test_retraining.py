"""Winners trained on all training images: the tasks, the log, and what selects nothing."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.report.search_events import event_text
from reszoo.report.search_summary import result_text
from reszoo.runs import Run
from reszoo.runs.jsonl import read_valid_lines
from reszoo.training.jobs.engines import EngineOptions
from reszoo.training.jobs.task import DataArguments, JobOutcome
from reszoo.tuning import tune as tune_module
from reszoo.tuning.open_search import open_search_folder
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.retrained_log import read_retrained
from reszoo.tuning.retraining import Retraining, RetrainOptions, retraining_jobs
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_result import read_result
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.strategies import create_proposer
from reszoo.tuning.trial_engine import TaskEngine
from reszoo.tuning.tune import tune
from tests.tuning.searches import SEARCH, Trainings, accuracy, write
from tests.tuning.test_search_run import DATA

GRID = SEARCH.replace("{kind: random, trials: 6", "{kind: grid, trials: 6")
RECIPE = GRID.replace("space:", "space:\n  recipe.schedule.peak: {choices: [0.001, 0.01]}")
CONFIRM = "confirm: {best: 2, seeds: 2}\n"
FRONT = "objectives: {val_accuracy: max, macs: min}\n"
SHORT8_EPOCHS = 15


class WithTest(Trainings):
    """Trainings of which only the retrainings know the test split."""

    def __call__(self, job):
        if job.kind != "retrain":
            return super().__call__(job)
        self.jobs.append(job)
        if message := self._fails(job):
            return JobOutcome(message=message)
        return JobOutcome(test_accuracy=0.9 + job.repeat / 100)


class TaskRecorder:
    """An engine of several workers that keeps its tasks, and ends them in a random order."""

    threads = 1

    def __init__(self, workers: int = 3, stops_after: int | None = None) -> None:
        self.workers = workers
        self.tasks = []
        self.most = self.stopped = 0
        self._stops_after = stops_after
        self._random = random.Random(workers)
        self._running = {}

    def submit(self, key, task):
        self.tasks.append(task)
        self._running[key] = task
        self.most = max(self.most, len(self._running))

    def wait(self, seconds=None):
        if self._stops_after is not None and len(self.tasks) > self._stops_after:
            raise KeyboardInterrupt
        key = self._random.choice(list(self._running))
        task = self._running.pop(key)
        if task.test:
            return key, JobOutcome(test_accuracy=0.5 + task.seed % 100 / 1000)
        return key, JobOutcome(accuracy({"trial": task.architecture.name}, task.epochs))

    def progress(self):
        return {}

    def stop(self):
        self.stopped += 1


def searched(file, out, recorder):
    """A whole search whose trainings are the tasks of an engine."""
    resolved = resolve_search(file)
    folder = open_search_folder(out, resolved, DATA)
    engine = TaskEngine(recorder, folder, resolved, DataArguments("digits"))
    search_run = SearchRun(resolved, folder, engine)
    search_run.run(create_proposer(resolved, engine.workers))
    return search_run, engine


def test_every_task_has_its_own_seed_and_recipe(tmp_path):
    """Rows of `confirm` differ in their seeds, and candidates in the recipe that is searched."""
    recorder = TaskRecorder()
    search_run, engine = searched(write(tmp_path, RECIPE + CONFIRM), tmp_path / "out", recorder)
    jobs = retraining_jobs(search_run, RetrainOptions(seeds=2))
    Retraining(search_run.folder, engine, search_run.resolved.search.seed).run(jobs)
    trials = [task for task in recorder.tasks if task.run.parent.name == "trials"]
    firsts = [task for task in trials if "-seed-" not in task.run.name]
    confirmed = [task for task in trials if "-seed-" in task.run.name]
    retrained = [task for task in recorder.tasks if task.run.parent.name == "retrained"]
    assert (len(firsts), len(confirmed), len(retrained)) == (6, 4, 2)
    assert {task.seed for task in firsts} == {0}
    seeds = {task.run.name[-1]: set() for task in confirmed}
    for task in confirmed:
        seeds[task.run.name[-1]].add(task.seed)
    assert all(len(values) == 1 for values in seeds.values())  # the same for each candidate
    assert len({0, *(task.seed for task in confirmed), *(task.seed for task in retrained)}) == 5
    for task in trials:
        record = next(one for one in search_run.records if f"{one.trial:04d}" == task.run.name[:4])
        recipe = spec.load_recipe(str(task.recipe))
        assert recipe.schedule.peak == record.changes["recipe.schedule.peak"]
        assert task.architecture.name == f"{record.trial:04d}.yaml"
        assert (recipe.epochs, task.epochs) == (4, 4)
    assert len({task.recipe for task in firsts}) == 6


def test_a_retraining_has_the_whole_recipe_and_all_images(tmp_path):
    recorder = TaskRecorder()
    search_run, engine = searched(write(tmp_path, RECIPE), tmp_path / "out", recorder)
    named = spec.load_recipe("short8")
    assert named.epochs == SHORT8_EPOCHS
    jobs = retraining_jobs(search_run, RetrainOptions(seeds=3))
    Retraining(search_run.folder, engine, 0).run(jobs)
    tasks = [task for task in recorder.tasks if task.test]
    assert len(tasks) == recorder.most == 3
    for task in tasks:
        recipe = spec.load_recipe(str(task.recipe))
        assert task.epochs == recipe.epochs == SHORT8_EPOCHS
        assert (recipe.validation.fraction, recipe.validation.keep) == (0, "last")
        assert recipe.early_stopping is None
        assert search_run.best is not None
        assert recipe.schedule.peak == search_run.best.changes["recipe.schedule.peak"]
        assert recipe.optimizer == named.optimizer
        assert task.architecture.name == f"{search_run.best.trial:04d}.yaml"


def test_the_test_split_selects_nothing(tmp_path):
    """No task that selects may read it, and the files of the search stay as they are."""
    recorder = TaskRecorder()
    text = RECIPE + CONFIRM + FRONT + "references: [base.yaml]\n"
    search_run, engine = searched(write(tmp_path, text), tmp_path / "out", recorder)
    assert not any(task.test for task in recorder.tasks)
    best = search_run.best
    names = ("trials.jsonl", "best.yaml", "best.recipe.yaml", "search.json", "search.yaml")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names}
    jobs = retraining_jobs(search_run, RetrainOptions(networks=10))
    Retraining(search_run.folder, engine, 0).run(jobs)
    assert [job.trial for job in jobs] == [record.trial for record in search_run.front]
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names} == before
    assert read_result(tmp_path / "out").best == best


def test_the_log_and_the_table_have_mean_and_spread(tmp_path):
    file = write(tmp_path, GRID)
    first = tune(file, out=tmp_path / "out", runner=Trainings())
    assert (first.retrained, first.winners) == ((), [])
    assert "--retrain --seeds 3" in result_text(first)
    trainings, lines = WithTest(), []
    result = tune(
        file,
        out=tmp_path / "out",
        runner=trainings,
        retrain=1,
        seeds=3,
        progress=lambda event: lines.append(event_text(event)),
    )
    assert [(job.kind, job.trial, job.repeat) for job in trainings.jobs] == [
        ("retrain", first.best.trial, repeat) for repeat in (1, 2, 3)
    ]
    rows = [
        json.loads(line) for line in (tmp_path / "out/retrained.jsonl").read_text().splitlines()
    ]
    assert [(row["repeat"], row["test_accuracy"], row["state"]) for row in rows] == [
        (1, 0.91, "finished"),
        (2, 0.92, "finished"),
        (3, 0.93, "finished"),
    ]
    assert rows[0]["changes"] == first.best.changes
    (winner,) = result.winners
    assert winner.accuracies == (0.91, 0.92, 0.93)
    assert winner.mean == statistics.fmean(winner.accuracies)
    assert winner.deviation == pytest.approx(0.01)
    told = f"trial {first.best.trial}, 15 epochs on all training images: test 92.00% on average"
    assert told in result_text(result).replace(" %", "%")
    assert result_text(read_result(tmp_path / "out")) == result_text(result)
    assert [line for line in lines if line and "retraining 3/3" in line]
    assert result.records == first.records


def test_only_what_is_missing_is_retrained(tmp_path):
    file, out = write(tmp_path, GRID), tmp_path / "out"
    tune(file, out=out, runner=WithTest(), retrain=1, seeds=2)
    with (out / "retrained.jsonl").open("a") as log:
        log.write('{"trial": 1, "repe')  # a power cut
    trainings = WithTest()
    result = tune(file, out=out, runner=trainings, retrain=1, seeds=3)
    assert [job.repeat for job in trainings.jobs] == [3]
    assert [record.repeat for record in read_retrained(out / "retrained.jsonl")] == [1, 2, 3]
    assert len(result.retrained) == 3
    timings = [one for one in SearchFolder(out).timings() if one.kind == "retrain"]
    assert len(timings) == 3


def test_several_workers_and_a_stop_give_the_rows_of_one(tmp_path):
    file = write(tmp_path, GRID + FRONT)
    logs = []
    for workers in (1, 4):
        out = tmp_path / str(workers)
        search_run, engine = searched(file, out, TaskRecorder(workers))
        jobs = retraining_jobs(search_run, RetrainOptions(2, 3))
        assert len(jobs) == 6
        stopping = TaskRecorder(workers, stops_after=3)
        stopped = TaskEngine(stopping, search_run.folder, search_run.resolved, DataArguments("x"))
        with pytest.raises(KeyboardInterrupt):
            Retraining(search_run.folder, stopped, 0).run(jobs)
        Retraining(search_run.folder, engine, 0).run(jobs)
        logs.append((out / "retrained.jsonl").read_bytes())
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) == 6


def test_a_failed_retraining_is_told_and_has_no_accuracy(tmp_path):
    fails = WithTest(lambda job: "nan\nnan" if job.kind == "retrain" and job.repeat == 2 else None)
    result = tune(write(tmp_path, GRID), out=tmp_path / "out", runner=fails, retrain=1, seeds=2)
    (winner,) = result.winners
    assert (winner.accuracies, winner.trainings, winner.deviation) == ((0.91,), 2, None)
    assert "of 2 trainings some failed: nan" in result_text(result)


def test_the_folder_remembers_the_epochs_of_the_recipe(tmp_path):
    """Its own recipe.yaml has those of a candidate."""
    out = tmp_path / "out"
    tune(write(tmp_path, GRID), out=out, runner=WithTest())
    trainings = WithTest()
    tune(out / "search.yaml", out=out, runner=trainings, retrain=1)
    assert [job.epochs for job in trainings.jobs] == [SHORT8_EPOCHS]


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (GRID, {"retrain": 2}, "has one winner"),
        (GRID, {"retrain": 0}, "at least one network"),
        (GRID, {"retrain": 1, "seeds": 0}, "at least one network"),
        (
            GRID + "recipe_overrides: {schedule: {kind: plateau, peak: 0.01, warmup: 0}}\n",
            {"retrain": 1},
            "watches held-out ones",
        ),
    ],
)
def test_what_cannot_be_retrained_is_told_before_anything_is_trained(tmp_path, text, options, told):
    trainings = WithTest()
    with pytest.raises(UserError, match=told) as caught:
        tune(write(tmp_path, text), out=tmp_path / "out", runner=trainings, **options)
    assert caught.value.hint
    assert trainings.jobs == []
    assert not (tmp_path / "out").exists()


def test_a_damaged_log_is_told(tmp_path):
    (tmp_path / "retrained.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="log of retrainings is damaged"):
        read_retrained(tmp_path / "retrained.jsonl")


@pytest.mark.parametrize("stops_after", [None, 7])
def test_the_engine_trains_the_winners_too_and_is_stopped(tmp_path, monkeypatch, stops_after):
    recorder = TaskRecorder(2, stops_after)
    monkeypatch.setattr(EngineOptions, "create", lambda self, folder: recorder)
    monkeypatch.setattr(tune_module, "_count_classes", lambda data, resolved: 10)
    file, out = write(tmp_path, GRID), tmp_path / "out"
    if stops_after is None:
        assert len(tune(file, out=out, retrain=1, seeds=2).retrained) == 2
    else:
        with pytest.raises(KeyboardInterrupt):
            tune(file, out=out, retrain=1, seeds=2)
    assert [task.run.name for task in recorder.tasks if task.test][:1]
    assert recorder.stopped >= 1


@pytest.mark.slow
def test_a_killed_retraining_ends_as_if_it_never_was(tmp_path):
    """A real training of digits, killed together with its search."""
    text = SEARCH.replace("trials: 6, max_epochs: 4", "trials: 1, max_epochs: 1")
    file = write(tmp_path, text)
    whole = tune(file, out=tmp_path / "whole", retrain=1)
    program = (
        "import sys; from reszoo.tuning.tune import tune; "
        "tune(sys.argv[1], out=sys.argv[2], retrain=1)"
    )
    killed = tmp_path / "killed"
    metrics = killed / "retrained" / "0001-seed-1" / "metrics.jsonl"
    with subprocess.Popen([sys.executable, "-c", program, str(file), str(killed)]) as process:
        while len(read_valid_lines(metrics)) < 3 and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    assert not (killed / "retrained.jsonl").exists()
    again = tune(file, out=killed, retrain=1)
    assert again.retrained == whole.retrained
    run = Run.open(killed / "retrained" / "0001-seed-1")
    assert run.info["test_accuracy"] == again.winners[0].mean
    assert run.data()["validation"]["images"] == 0
    assert metrics.read_bytes() == (whole.path / metrics.relative_to(killed)).read_bytes()
