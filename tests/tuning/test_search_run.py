"""Several trials at a time give, byte for byte, the files of one after the other."""

from __future__ import annotations

import random

import pytest

from reszoo import spec
from reszoo.errors import MachineError
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.open_search import open_search_folder
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.strategies import create_proposer
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, write

DATA = {"name": "digits", "skip_bad_images": False, "classes": 10}


class ShuffledEngine:
    """Several workers that end in a random order, and fail or stop where they are told to."""

    def __init__(self, workers: int, seed: int = 0, trainings: Trainings | None = None) -> None:
        self.workers = workers
        self.stopped = 0
        self.most = 0
        self.trainings = trainings or Trainings()
        self.seed = seed
        self._random = random.Random(seed)
        self._jobs = {}

    def submit(self, key, job):
        self._jobs[key] = job
        self.most = max(self.most, len(self._jobs))
        assert len(self._jobs) <= self.workers

    def wait(self, seconds=None):
        key = self._random.choice(list(self._jobs))
        return key, self.trainings(self._jobs.pop(key))

    def progress(self):
        return {}

    def stop(self):
        self.stopped += 1
        self._jobs.clear()


def search(file, out, engine) -> SearchRun:
    resolved = resolve_search(file)
    folder = open_search_folder(out, resolved, DATA)
    search_run = SearchRun(resolved, folder, engine)
    search_run.run(create_proposer(resolved, engine.workers))
    return search_run


def files_of(out) -> dict[str, bytes]:
    paths = [out / "trials.jsonl", *out.glob("*.yaml"), *out.glob("[cp]*/*.yaml")]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def _fails(job) -> str | None:
    return "out of memory" if job.trial % 5 == 2 else None


@pytest.mark.parametrize("text", [SEARCH, HYPERBAND])
def test_any_number_of_workers_writes_the_files_of_one(tmp_path, text):
    file = write(tmp_path, text)
    search(file, tmp_path / "serial", ShuffledEngine(1, trainings=Trainings(_fails)))
    for workers in (2, 4, 7, 30):
        for seed in range(3):
            out = tmp_path / f"{workers}-{seed}"
            engine = ShuffledEngine(workers, seed, Trainings(_fails))
            search(file, out, engine)
            assert files_of(out) == files_of(tmp_path / "serial")
            assert engine.most == min(workers, 6 if text == SEARCH else 17)


@pytest.mark.parametrize("text", [SEARCH, HYPERBAND])
def test_a_parallel_search_that_was_stopped_ends_as_if_it_never_was(tmp_path, text):
    file = write(tmp_path, text)
    search(file, tmp_path / "serial", ShuffledEngine(1))
    for seed in range(5):
        out, trainings = tmp_path / str(seed), Trainings()
        stops = random.Random(seed).randrange(6)

        class Stopping(ShuffledEngine):
            def wait(self, seconds=None):
                if len(self.trainings.jobs) == stops:  # noqa: B023
                    raise KeyboardInterrupt
                return super().wait(seconds)

        engine = Stopping(4, seed, trainings)
        with pytest.raises(KeyboardInterrupt):
            search(file, out, engine)
        assert engine.stopped == 1
        again = Trainings()
        search(file, out, ShuffledEngine(3, seed, again))
        assert {job.key for job in trainings.jobs}.isdisjoint(job.key for job in again.jobs)
        assert files_of(out) == files_of(tmp_path / "serial")


def test_a_fault_of_the_machine_stops_the_other_trials(tmp_path):
    class Faulty(ShuffledEngine):
        def wait(self, seconds=None):
            raise MachineError("full")

    engine = Faulty(4)
    with pytest.raises(MachineError, match="full"):
        search(write(tmp_path), tmp_path / "out", engine)
    assert engine.stopped == 1
    assert not (tmp_path / "out" / "trials.jsonl").exists()


def test_what_a_training_cost_is_in_a_log_of_its_own(tmp_path):
    class Slow(Trainings):
        def __call__(self, job):
            outcome = super().__call__(job)
            history = (0.25, outcome.val_accuracy)
            return JobOutcome(outcome.val_accuracy, history, None, 2, 1.5, "node-7", 10**9)

    search_run = search(write(tmp_path), tmp_path / "out", ShuffledEngine(2, trainings=Slow()))
    folder = SearchFolder(tmp_path / "out")
    assert folder.records() == search_run.records
    assert all(record.val_accuracies[0] == 0.25 for record in search_run.records)
    assert "node-7" not in folder.trial_log.read_text()
    timings = folder.timings()
    assert {timing.key for timing in timings} == {record.key for record in search_run.records}
    assert {(timing.seconds, timing.host, timing.attempts) for timing in timings} == {
        (1.5, "node-7", 2)
    }


class TimedEngine(ShuffledEngine):
    """Workers that need an hour for an epoch, by a clock of their own."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.hours = 0
        self._ends: dict[int, int] = {}

    def submit(self, key, job):
        super().submit(key, job)
        self._ends[key] = self.hours + job.epochs - job.from_epoch

    def wait(self, seconds=None):
        key = min(self._ends, key=lambda key: (self._ends[key], key))
        self.hours = self._ends.pop(key)
        return key, self.trainings(self._jobs.pop(key))


def test_all_brackets_at_once_keep_many_workers_busy(tmp_path):
    """The rungs of the shipped digits search, with epochs that all take as long."""
    page = spec.load_search("digits").model_copy(update={"confirm": None, "references": ()})
    hours = {}
    for workers in (1, 4, 8, 22):
        engine = TimedEngine(workers)
        search(page, tmp_path / str(workers), engine)
        hours[workers] = engine.hours
    assert hours[1] == 196
    speedups = {workers: round(hours[1] / hours[workers], 1) for workers in (4, 8, 22)}
    assert speedups == {4: 3.9, 8: 7.5, 22: 10.9}


def test_a_search_says_how_far_it_is_while_nothing_ends(tmp_path):
    class Slow(ShuffledEngine):
        waits = 0

        def wait(self, seconds=None):
            self.waits += 1
            return None if self.waits % 2 else super().wait(seconds)

        def progress(self):
            first = min(self._jobs)  # the other one is in its first epoch
            return {first: {"epoch": 2, "val_accuracy": 0.5}}

    events = []
    resolved = resolve_search(write(tmp_path))
    folder = open_search_folder(tmp_path / "out", resolved, DATA)
    SearchRun(resolved, folder, Slow(2), events.append).run(create_proposer(resolved))
    trains = [event for event in events if event.kind == "trains"]
    assert {repr(event.epoch) for event in trains} == {
        "{'epoch': 2, 'val_accuracy': 0.5}",
        "None",
    }
    assert all(event.seconds_left >= 0 for event in trains)
