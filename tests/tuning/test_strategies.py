"""Every strategy: the same proposals for any number of workers, and after any stop."""

from __future__ import annotations

import contextlib
import os
import random

import pytest

from reszoo.errors import UserError
from reszoo.tuning import strategies
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.tune import tune
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, write
from tests.tuning.test_search_run import ShuffledEngine, files_of, search

RANDOM = "{kind: random, trials: 6, max_epochs: 4}"
START = "start_from: [{block.connection: plain}, {block.connection: highway}]\n"
LIMITS = "limits: {parameters: 14000}\n"


def _of(strategy: str, further: str = "") -> str:
    return SEARCH.replace(RANDOM, strategy) + LIMITS + further


STRATEGIES = {
    "random": SEARCH + LIMITS,
    "hyperband": HYPERBAND,
    "grid": _of("{kind: grid, trials: 9, max_epochs: 4}", START),
    "list": _of("{kind: list, max_epochs: 4}", START),
    "bayesian": _of("{kind: bayesian, trials: 14, max_epochs: 4}", START),
    "tpe": _of("{kind: tpe, trials: 14, batch: 3, max_epochs: 4}", START),
    "pareto": _of(
        "{kind: pareto, trials: 14, max_epochs: 4}", "objectives: {val_accuracy: max, macs: min}\n"
    ),
}
OPTUNA = ("tpe", "pareto")


@pytest.fixture(params=STRATEGIES)
def strategy(request) -> str:
    if request.param in OPTUNA:
        pytest.importorskip("optuna")
    return request.param


def test_a_missing_optuna_is_told_before_there_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(strategies, "find_spec", lambda name: None)
    file = write(tmp_path, STRATEGIES["tpe"])
    with pytest.raises(UserError, match="the strategy tpe needs Optuna") as caught:
        tune(file, out=tmp_path / "out", runner=Trainings())
    assert "search.yaml:" in str(caught.value.where)
    assert not (tmp_path / "out").exists()


def _fails(job) -> str | None:
    return "out of memory" if job.trial % 5 == 3 else None


def test_workers_and_stops_change_nothing(tmp_path, strategy):
    file = write(tmp_path, STRATEGIES[strategy])
    serial = search(file, tmp_path / "serial", ShuffledEngine(1, trainings=Trainings(_fails)))
    assert all(record.cost["parameters"] <= 14_000 for record in serial.records) or (
        strategy == "hyperband"
    )
    trials = [record.changes for record in serial.records if record.round == 0]
    assert len({str(changes) for changes in trials}) == len(trials)
    search(file, tmp_path / "parallel", ShuffledEngine(7, 1, Trainings(_fails)))
    assert files_of(tmp_path / "parallel") == files_of(tmp_path / "serial")
    out = tmp_path / "stopped"
    for seed in range(len(serial.records)):
        engine = StoppedEngine(1 + seed % 4, seed, Trainings(_fails))
        try:
            search(file, out, engine)
        except KeyboardInterrupt:
            continue
        break
    assert files_of(out) == files_of(tmp_path / "serial")


class StoppedEngine(ShuffledEngine):
    """An engine that is stopped after some trainings."""

    def wait(self, seconds=None):
        if len(self.trainings.jobs) >= 1 + random.Random(self.seed).randrange(4):
            raise KeyboardInterrupt
        return super().wait(seconds)


def test_a_grid_is_tried_in_the_order_of_the_page(tmp_path):
    file = write(tmp_path, SEARCH.replace(RANDOM, "{kind: grid, max_epochs: 1}"))
    records = search(file, tmp_path / "out", ShuffledEngine(4)).records
    resolved = resolve_search(file)
    space = resolved.space
    assert len(records) == resolved.planned == space.size
    assert [record.changes for record in records] == [
        space.changes(space.candidate(number)) for number in range(space.size)
    ]


def test_a_list_holds_what_is_tried(tmp_path):
    file = write(tmp_path, STRATEGIES["list"])
    records = search(file, tmp_path / "out", ShuffledEngine(1)).records
    assert [record.changes["block.connection"] for record in records] == ["plain", "highway"]


@pytest.mark.parametrize("kind", ["bayesian", "tpe"])
def test_a_batch_waits_for_the_one_before_it(tmp_path, kind):
    if kind in OPTUNA:
        pytest.importorskip("optuna")
    engine = ShuffledEngine(30)
    search(write(tmp_path, STRATEGIES[kind]), tmp_path / "out", engine)
    assert engine.most == (4 if kind == "bayesian" else 3)


@pytest.mark.parametrize("kind", ["grid", "bayesian", "tpe"])
def test_a_space_that_nothing_in_is_feasible_is_told(tmp_path, kind):
    if kind in OPTUNA:
        pytest.importorskip("optuna")
    text = SEARCH.replace(RANDOM, f"{{kind: {kind}}}") + "limits: {parameters: 10}\n"
    with pytest.raises(UserError, match="feasible"):
        search(write(tmp_path, text), tmp_path / "out", ShuffledEngine(1))
    assert SearchFolder(tmp_path / "out").records() == []


@pytest.mark.parametrize("kind", ["bayesian", "tpe"])
def test_a_small_space_is_tried_to_the_last_candidate(tmp_path, kind):
    if kind in OPTUNA:
        pytest.importorskip("optuna")
    text = SEARCH.replace("block.connection: {choices: [plain, residual, highway]}", "")
    text = text.replace("max: 3", "max: 2").replace(RANDOM, f"{{kind: {kind}, trials: 20}}")
    records = search(write(tmp_path, text), tmp_path / "out", ShuffledEngine(2)).records
    assert len({str(record.changes) for record in records}) == len(records) == 8


class Killed(BaseException):
    """Stands in for a kill -9: nothing catches it."""


def test_a_search_killed_at_twenty_moments_ends_as_if_it_never_was(tmp_path, strategy, monkeypatch):
    """Each kill comes before a file is written, renamed or appended to; half of a line may be."""
    file = write(tmp_path, STRATEGIES[strategy])
    search(file, tmp_path / "whole", ShuffledEngine(1, trainings=Trainings(_fails)))
    out, moments = tmp_path / "killed", random.Random(strategy)
    replace, write_bytes, kills = os.replace, os.write, 0
    for seed in range(20):
        left = moments.randrange(12)

        def is_due() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        def killed_replace(*paths, **options):
            if is_due():
                raise Killed
            return replace(*paths, **options)

        def killed_write(file, data):
            if is_due():
                write_bytes(file, data[: moments.randrange(len(data))])
                raise Killed
            return write_bytes(file, data)

        monkeypatch.setattr(os, "replace", killed_replace)
        monkeypatch.setattr(os, "write", killed_write)
        with contextlib.suppress(Killed):
            kills += 1
            search(file, out, ShuffledEngine(1 + seed % 4, seed, Trainings(_fails)))
            kills -= 1
        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(os, "write", write_bytes)
    search(file, out, ShuffledEngine(2, trainings=Trainings(_fails)))
    assert kills >= 3
    assert files_of(out) == files_of(tmp_path / "whole")
