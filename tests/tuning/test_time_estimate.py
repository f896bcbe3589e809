"""The estimate of a search's time measures what a training would get, and counts all workers."""

from __future__ import annotations

import contextlib

import pytest

from reszoo.training.jobs.engines import Capacity
from reszoo.training.jobs.task import DataArguments
from reszoo.tuning import time_estimate
from reszoo.tuning.resolved_search import resolve_search
from tests.tuning.searches import SEARCH, write


class Worker:
    """Answers that each step of 10 images takes a second."""

    def ask(self, request):
        assert list(request) == ["step"]
        return {"seconds": 1.0, "batch": 10, "train_images": 100, "val_images": 0}


@pytest.fixture
def environments(monkeypatch):
    given = []

    @contextlib.contextmanager
    def start_worker(environment):
        given.append(environment)
        yield Worker()

    monkeypatch.setattr(time_estimate, "start_worker", start_worker)
    return given


@pytest.mark.parametrize(("workers", "rounds"), [(1, 6), (2, 3), (8, 1)])
def test_all_workers_count(tmp_path, environments, workers, rounds):
    capacity = Capacity(workers, 2, {"OMP_NUM_THREADS": "2"}, on_cluster=True)
    resolved = resolve_search(write(tmp_path, SEARCH))
    estimate = time_estimate.estimate_time(resolved, DataArguments("digits"), capacity)
    assert environments == [capacity.environment]
    assert estimate is not None
    # 6 trials of 4 epochs of 10 steps.
    assert estimate.seconds[1] == pytest.approx(rounds * (40 + estimate.start_seconds))
