"""Folders that continue with an extended page: rows stay, and the other candidates are new."""

from __future__ import annotations

import json
import random
import re

import pytest

from reszoo.errors import UserError
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.tune import tune
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, write
from tests.tuning.test_search_run import ShuffledEngine, search
from tests.tuning.test_strategies import OPTUNA, STRATEGIES

MORE = "[plain, residual, highway]"
FEWER = "[plain, residual]"
SMALL = SEARCH.replace(MORE, FEWER)


def _extended(text: str) -> str:
    """The page with another choice and more trials."""
    text = text.replace(FEWER, MORE)
    for before, after in (("trials: 14", "trials: 20"), ("trials: 9", "trials: 15")):
        text = text.replace(before, after)
    text = text.replace("trials: 6", "trials: 12")
    return text.replace("max_epochs: 9, factor: 3", "max_epochs: 9, factor: 3, iterations: 2")


@pytest.fixture(params=[kind for kind in STRATEGIES if kind != "list"])
def page(request) -> str:
    if request.param in OPTUNA:
        pytest.importorskip("optuna")
    text = STRATEGIES[request.param].replace(MORE, FEWER)
    return text.replace("{block.connection: highway}", "{block.connection: residual}")


@pytest.mark.quick_rows(2)
def test_rows_stay_and_new_candidates_come_from_the_larger_space(tmp_path, page):
    file, out = write(tmp_path, page), tmp_path / "out"
    first = search(file, out, ShuffledEngine(1)).records
    write(tmp_path, _extended(page))
    trainings = Trainings()
    result = tune(file, out=out, runner=trainings, extend=True)
    before = {record.key: record for record in first}
    assert {record.key: record for record in result.records if record.key in before} == before
    assert all((job.kind, job.trial, 0, job.epochs) not in before for job in trainings.jobs)
    new = [job.changes for job in trainings.jobs]
    assert new
    assert any(changes["block.connection"] == "highway" for changes in new)
    firsts = [str(record.changes) for record in result.records if record.round == 0]
    assert len(set(firsts)) == len(firsts)
    # From now on it is an ordinary folder.
    again = Trainings()
    assert tune(file, out=out, runner=again).records == result.records
    assert tune(file, out=out, runner=again, extend=True).records == result.records
    assert tune(out / "search.yaml", out=out, runner=again).records == result.records
    assert again.jobs == []


def test_trials_of_a_stopped_search_that_had_begun_count_too(tmp_path):
    """The run of trial 4 exists when trial 5 is recorded and the search is stopped."""
    text = SMALL.replace("space:", "space:\n  recipe.schedule.peak: {choices: [0.001, 0.01]}")

    class Stopping(ShuffledEngine):
        def wait(self, seconds=None):
            if len(self.trainings.jobs) == 3:
                raise KeyboardInterrupt
            return super().wait(seconds)

    for seed in range(4):
        out = tmp_path / str(seed)
        file = write(tmp_path, text)
        engine = Stopping(4, seed)
        with pytest.raises(KeyboardInterrupt):
            search(file, out, engine)
        begun = {
            path.stem: path.read_text()
            for path in (out / "candidates").glob("*.yaml")
            if path.stem.isdigit()
        }
        assert len(begun) > 3
        write(tmp_path, _extended(text))
        trainings = Trainings()
        result = tune(file, out=out, runner=trainings, extend=True)
        assert len(result.records) == 12
        assert len(trainings.jobs) == 9
        changes = {record.trial: record.changes for record in result.records}
        for name, network in begun.items():
            assert f"connection: {changes[int(name)]['block.connection']}" in network or (
                changes[int(name)]["block.connection"] == "residual"
            )
            assert (out / "candidates" / f"{name}.yaml").read_text() == network


def test_a_search_is_extended_more_than_once(tmp_path):
    file, out = write(tmp_path, SMALL), tmp_path / "out"
    tune(file, out=out, runner=Trainings())
    write(tmp_path, SMALL.replace("trials: 6", "trials: 8").replace("max: 3", "max: 4"))
    second = tune(file, out=out, runner=Trainings(), extend=True)
    write(tmp_path, _extended(SMALL).replace("max: 3", "max: 5"))
    trainings = Trainings()
    third = tune(file, out=out, runner=trainings, extend=True)
    assert third.records[:8] == second.records
    assert [job.trial for job in trainings.jobs] == [9, 10, 11, 12]
    identity = json.loads((out / "search.json").read_text())
    assert identity["extended"] == 8
    assert identity["recipe_epochs"] == 15


def test_a_list_is_extended_by_more_candidates(tmp_path):
    text = SEARCH.replace("{kind: random, trials: 6, max_epochs: 4}", "{kind: list, max_epochs: 4}")
    start = "start_from: [{{block.connection: plain}}{0}]\n"
    file, out = write(tmp_path, text + start.format("")), tmp_path / "out"
    tune(file, out=out, runner=Trainings())
    write(tmp_path, text + start.format(", {block.connection: highway}"))
    trainings = Trainings()
    tune(file, out=out, runner=trainings, extend=True)
    assert [job.changes["block.connection"] for job in trainings.jobs] == ["highway"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("[plain, residual]", "[plain]", 'space: block.connection lacks "residual"'),
        ("min: 1, max: 3", "min: 2, max: 4", r"space: stages\[.\].depth lacks 1"),
        ("trials: 6", "trials: 5", "trials: 5 instead of 6"),
        ("max_epochs: 4", "max_epochs: 5", "recipe.epochs: 5 instead of 4"),
        ("kind: random", "kind: grid", "strategy: .*grid.* instead of .*random"),
        ("space:", "limits: {macs: 1e9}\nspace:", r"limits.macs: 1.*0 instead of null"),
        ("space:", "seed: 3\nspace:", "seed: 3 instead of 0"),
        ("space:", "space:\n  stem.filters: {choices: [4, 8]}", "stem.filters was not searched"),
        ("  stages[each].depth: {min: 1, max: 3}\n", "", "is no longer searched"),
    ],
)
def test_what_is_no_extension_is_told(tmp_path, before, after, told):
    file, out = write(tmp_path, SMALL), tmp_path / "out"
    tune(file, out=out, runner=Trainings())
    files = {name: (out / name).read_bytes() for name in ("search.yaml", "search.json")}
    write(tmp_path, SMALL.replace(before, after))
    trainings = Trainings()
    with pytest.raises(UserError, match="is no extension of the search") as caught:
        tune(file, out=out, runner=trainings, extend=True)
    assert re.search(told, str(caught.value.found))
    assert caught.value.hint
    assert trainings.jobs == []
    assert {name: (out / name).read_bytes() for name in files} == files


def test_without_a_folder_there_is_nothing_to_extend(tmp_path):
    with pytest.raises(UserError, match="holds no search to extend") as caught:
        tune(write(tmp_path), out=tmp_path / "out", runner=Trainings(), extend=True)
    assert "leave out --extend" in (caught.value.hint or "")


def test_the_note_of_a_changed_page_names_the_option(tmp_path):
    file, out = write(tmp_path, SMALL), tmp_path / "out"
    tune(file, out=out, runner=Trainings())
    write(tmp_path, _extended(SMALL))
    with pytest.warns(UserWarning, match="--extend searches what was added"):
        tune(file, out=out, runner=Trainings())
    write(tmp_path, SMALL.replace("short8", "digits"))
    with pytest.warns(UserWarning, match="-o names another folder"):
        tune(file, out=out, runner=Trainings())


def test_an_extended_search_draws_alike_for_any_number_of_workers(tmp_path):
    logs = []
    for workers in (1, 5):
        out = tmp_path / str(workers)
        file = write(tmp_path, HYPERBAND.replace(MORE, FEWER))
        search(file, out, ShuffledEngine(workers, random.Random(workers).randrange(9)))
        write(tmp_path, _extended(HYPERBAND.replace(MORE, FEWER)))
        tune(file, out=out, runner=Trainings(), extend=True)
        logs.append(SearchFolder(out).trial_log.read_bytes())
    assert logs[0] == logs[1]
