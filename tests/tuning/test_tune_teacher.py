"""A search whose trainings have a teacher records it, and passes it on to each of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.report.search_summary import result_text
from reszoo.runs import Run
from reszoo.training.jobs.job_process import child_command
from reszoo.training.jobs.task import DataArguments
from reszoo.training.teacher_record import find_teacher
from reszoo.tuning import Outcome
from reszoo.tuning.search_result import read_result
from reszoo.tuning.tune import tune
from tests.tuning.searches import SEARCH, write

TEACHER = Path(__file__).parents[1] / "fixtures" / "v0_1" / "finished"
STRATEGY = "{kind: random, trials: 6, max_epochs: 4}"


def search(folder: Path, **options: object):
    file = write(folder, SEARCH)
    return tune(file, out=folder / "out", runner=lambda job: Outcome(0.5), **options)


def identity(folder: Path) -> dict:
    return json.loads((folder / "out" / "search.json").read_text())


def test_a_search_records_its_teacher_and_names_it_in_what_comes_next(tmp_path):
    search(tmp_path, teacher=TEACHER)
    digest = hashlib.sha256((TEACHER / "model.keras").read_bytes()).hexdigest()
    assert identity(tmp_path)["data"]["teachers"] == [digest]
    assert identity(tmp_path)["teachers"] == [find_teacher(TEACHER).facts()]
    text = result_text(read_result(tmp_path / "out"))
    assert text.count(f"--teacher {TEACHER}") == 2  # to train the best, and to retrain it


def test_a_search_without_a_teacher_has_the_files_that_it_had(tmp_path):
    search(tmp_path)
    assert "teachers" not in identity(tmp_path)
    assert "teachers" not in identity(tmp_path)["data"]


def test_a_teacher_may_move_but_another_one_makes_another_search(tmp_path):
    search(tmp_path, teacher=[TEACHER])
    moved = shutil.copytree(TEACHER, tmp_path / "moved")
    search(tmp_path, teacher=moved)
    assert identity(tmp_path)["teachers"][0]["path"] == str(moved)
    with pytest.raises(UserError, match=r"(?s)holds another search.*data\.teachers"):
        search(tmp_path)
    other = shutil.copy(TEACHER / "model.keras", tmp_path / "other.keras")
    with open(other, "ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match=r"(?s)holds another search.*data\.teachers"):
        search(tmp_path, teacher=other)


def test_a_missing_teacher_is_told_before_there_is_a_folder(tmp_path):
    with pytest.raises(UserError, match="there is no run folder or model gone"):
        search(tmp_path, teacher="gone")
    assert not (tmp_path / "out").exists()


def test_children_get_the_teachers():
    teachers = (find_teacher(TEACHER), find_teacher(TEACHER / "model.keras"))
    words = child_command("train", DataArguments("digits", teachers=teachers), seed=0)
    places = [index for index, word in enumerate(words) if word == "--teacher"]
    assert [words[index + 1] for index in places] == [str(TEACHER), str(TEACHER / "model.keras")]


@pytest.mark.slow
def test_each_trial_learns_from_the_teacher(tmp_path):
    one = SEARCH.replace(STRATEGY, "{kind: random, trials: 1, max_epochs: 1}")
    result = tune(write(tmp_path, one), out=tmp_path / "out", teacher=TEACHER, retrain=1)
    for run in (result.best_run, next((tmp_path / "out" / "retrained").glob("*/run.json")).parent):
        assert Run.open(run).info["teachers"] == [find_teacher(TEACHER).facts()]
        assert "--teacher" in Run.open(run).info["command"]
