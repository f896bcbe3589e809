"""Search folders of version 0.1 load, and an unfinished one goes on to the same result."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reszoo import spec
from reszoo.report.search_summary import result_text
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_identity import read_identity
from reszoo.tuning.search_result import read_result
from reszoo.tuning.tune import tune
from tests.tuning.searches import Trainings

FIXTURES = Path(__file__).parents[1] / "fixtures" / "searches_v1"
SEARCHES = ("random", "hyperband")


@pytest.fixture
def copied(tmp_path):
    """Copies a fixture, so that a search may write into it."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(FIXTURES / name, tmp_path / name))

    return copy


@pytest.mark.parametrize("state", ["finished", "unfinished"])
@pytest.mark.parametrize("search", SEARCHES)
def test_a_folder_of_version_0_1_loads(search, state):
    folder = SearchFolder(FIXTURES / f"{search}-{state}")
    assert read_identity(folder.path)["format_version"] == 1
    records = folder.records()
    assert len(records) == (6 if state == "finished" else 3)
    assert all(record.state == "finished" for record in records)
    assert spec.load(folder.best_path).name == "small-best"


@pytest.mark.parametrize("search", SEARCHES)
def test_a_finished_folder_of_version_0_1_needs_no_training(copied, search):
    folder, trainings = copied(f"{search}-finished"), Trainings()
    before = (folder / "best.yaml").read_bytes()
    result = tune(folder / "search.yaml", out=folder, runner=trainings)
    assert trainings.jobs == []
    assert len(result.records) == 6
    assert (folder / "best.yaml").read_bytes() == before


@pytest.mark.parametrize("search", SEARCHES)
def test_an_unfinished_folder_of_version_0_1_goes_on_with_the_same_trials(copied, search):
    whole = SearchFolder(FIXTURES / f"{search}-finished")
    folder, trainings = copied(f"{search}-unfinished"), Trainings()
    result = tune(folder / "search.yaml", out=folder, runner=trainings)
    assert len(trainings.jobs) == 3
    assert [(record.trial, record.epochs, record.changes) for record in result.records] == [
        (record.trial, record.epochs, record.changes) for record in whole.records()
    ]
    assert result.best_path.read_bytes() == whole.best_path.read_bytes()


@pytest.mark.parametrize("state", ["finished", "unfinished"])
@pytest.mark.parametrize("search", SEARCHES)
def test_a_folder_of_version_0_1_is_shown(search, state):
    folder = FIXTURES / f"{search}-{state}"
    result = read_result(folder)
    assert result.best == result.trials[0]
    assert result.spec == spec.load(folder / "best.yaml")
    text = result_text(result)
    assert f"reszoo train {folder / 'best.yaml'} --data digits" in text
    assert ("3 of 6 trainings are recorded" in text) == (state == "unfinished")
