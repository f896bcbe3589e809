"""The folder of a search, and how the same command resumes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reszoo import spec
from reszoo.errors import GateError, UserError
from reszoo.report.search_summary import result_text
from reszoo.runs.lock import hold_lock
from reszoo.tuning import Event, SearchResult, combinations, sampling
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.tune import _note_threads, tune
from tests.kills import leftovers
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, write


def _search(
    tmp_path: Path, text: str = SEARCH, trainings: Trainings | None = None, **options
) -> SearchResult:
    file = write(tmp_path, text)
    return tune(file, out=tmp_path / "out", runner=trainings or Trainings(), **options)


class Stopped(BaseException):
    """Stands in for whatever ends a search."""


def _stopped_search(tmp_path: Path, text: str, after: int) -> None:
    trainings = Trainings()

    def run(job):
        if len(trainings.jobs) == after:
            raise Stopped
        return trainings(job)

    with pytest.raises(Stopped):
        tune(write(tmp_path, text), out=tmp_path / "out", runner=run)


def test_the_folder_tells_the_whole_search(tmp_path):
    result = _search(tmp_path)
    lines = [json.loads(line) for line in (result.path / "trials.jsonl").read_text().splitlines()]
    assert [line["trial"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[0]["cost"]) == {
        "parameters",
        "macs",
        "weight_bytes_int8",
        "peak_activation_bytes",
    }
    assert set(lines[0]["changes"]) == {
        *(f"stages[{i}].depth" for i in range(3)),
        "block.connection",
    }
    assert result.trials[0] == result.best
    assert result.best.val_accuracy == max(line["val_accuracy"] for line in lines)


def test_the_best_spec_loads_and_is_the_best_candidate(tmp_path):
    result = _search(tmp_path)
    best = spec.load(result.best_path)
    candidate = spec.load(result.path / "candidates" / f"{result.best.trial:04d}.yaml")
    assert best == result.spec
    assert spec.fingerprint(best) == spec.fingerprint(candidate)
    assert best.name == "small-best"
    assert best.source == f"reszoo tune small, seed 0, trial {result.best.trial}"


def test_the_folders_own_search_file_goes_on_with_it(tmp_path):
    result = _search(
        tmp_path,
        SEARCH + 'start_from: [{"stages[each].depth": [1, 1, 3], block.connection: plain}]\n',
    )
    trainings = Trainings()
    again = tune(result.path / "search.yaml", out=result.path, runner=trainings)
    assert trainings.jobs == []
    assert again.records == result.records


@pytest.mark.parametrize("text", [SEARCH, HYPERBAND])
@pytest.mark.parametrize("after", [0, 1, 4, 5])
def test_a_stopped_search_ends_as_if_it_never_was(tmp_path, text, after):
    whole = _search(tmp_path / "whole", text)
    _stopped_search(tmp_path / "stopped", text, after)
    trainings = Trainings()
    result = _search(tmp_path / "stopped", text, trainings)
    assert len(trainings.jobs) == len(whole.records) - after
    assert result.records == whole.records
    for name in ("trials.jsonl", "best.yaml"):
        assert (result.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_a_killed_search_left_is_removed(tmp_path):
    out = _search(tmp_path).path
    for folder in (out, out / "candidates"):
        (folder / ".best.yaml.abcdefgh.partial").mkdir()
    _search(tmp_path)
    assert leftovers(out) == []


def test_a_half_written_line_is_one_that_was_not_written(tmp_path):
    whole = _search(tmp_path)
    log = whole.path / "trials.jsonl"
    content = log.read_bytes()
    log.write_bytes(content[:-40])
    trainings = Trainings()
    _search(tmp_path, SEARCH, trainings)
    assert [job.trial for job in trainings.jobs] == [6]
    assert log.read_bytes() == content


def test_a_failed_trial_stays_failed_when_a_search_goes_on(tmp_path):
    _search(tmp_path, SEARCH, Trainings(lambda job: "nan" if job.trial == 2 else None))
    trainings = Trainings()
    result = _search(tmp_path, SEARCH, trainings)
    assert trainings.jobs == []
    assert [record.trial for record in result.records if record.state == "failed"] == [2]
    assert result.trials[-1].message == "nan"


@pytest.mark.parametrize(
    "message",
    [
        "the training was ended by SIGKILL, most likely for want of memory",
        "the training was ended by SIGSEGV\nepoch 1",
        "the training ended with exit code 1\nerror: cannot write x: No space left on device",
        "the training ended with exit code 1\nerror: the disk is full\n  found:    x",
        "the training ended with exit code 1\nerror: not enough memory for small-0002: batch 64",
    ],
)
def test_what_version_0_1_took_for_a_failed_trial_is_trained_again(tmp_path, message):
    whole = _search(tmp_path / "whole", HYPERBAND)
    _search(tmp_path, HYPERBAND, Trainings(lambda job: message if job.trial == 2 else None))
    trainings = Trainings()
    result = _search(tmp_path, HYPERBAND, trainings)
    assert (trainings.jobs[0].trial, trainings.jobs[0].epochs) == (2, 1)
    assert result.records == whole.records
    recorded = {(record.trial, record.epochs) for record in SearchFolder(result.path).records()}
    assert len(SearchFolder(result.path).records()) == len(recorded)
    again = Trainings()
    _search(tmp_path, HYPERBAND, again)
    assert again.jobs == []


def test_a_finished_search_can_be_given_more_trials(tmp_path):
    first = _search(tmp_path)
    trainings = Trainings()
    result = _search(tmp_path, SEARCH.replace("trials: 6", "trials: 9"), trainings)
    assert result.records[:6] == first.records
    assert [job.trial for job in trainings.jobs] == [7, 8, 9]
    with pytest.raises(UserError, match="a search of more trials"):
        _search(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("min: 1, max: 3", "min: 1, max: 4"), "space"),
        (("max_epochs: 4", "max_epochs: 5"), "recipe"),
        (("kind: random, trials: 6", "kind: hyperband"), "strategy"),
        (("recipe: short8", "recipe: digits"), "recipe"),
        (("base: base.yaml", "base: base.yaml\nlimits: {macs: 1e9}"), "limits"),
    ],
)
def test_a_changed_page_goes_on_with_the_one_in_the_folder(tmp_path, change, told):
    first = _search(tmp_path)
    before = (tmp_path / "out" / "search.yaml").read_bytes()
    trainings = Trainings()
    with pytest.warns(UserWarning, match=f"has changed in .*{told}.* goes on with the search.yaml"):
        result = _search(tmp_path, SEARCH.replace(*change), trainings)
    assert trainings.jobs == []
    assert result.records == first.records
    assert (tmp_path / "out" / "search.yaml").read_bytes() == before
    search = spec.load_search(str(tmp_path / "search.yaml"))
    with pytest.raises(UserError, match=f"holds another search: it differs in .*{told}"):
        tune(search, out=tmp_path / "out", runner=Trainings())


def test_another_seed_name_or_data_is_another_search(tmp_path):
    _search(tmp_path)
    with pytest.raises(UserError, match="differs in seed"):
        _search(tmp_path, seed=1)
    with pytest.raises(UserError, match="differs in data"):
        _search(tmp_path, data="tfds:mnist")
    text = SEARCH.replace("name: small", "name: other").replace("max: 3", "max: 4")
    with pytest.raises(UserError, match="differs in space"):
        _search(tmp_path, text)


def test_a_changed_base_is_a_changed_page(tmp_path):
    _search(tmp_path)
    file = tmp_path / "base.yaml"
    file.write_text(file.read_text().replace("filters: 4", "filters: 5"))
    with pytest.warns(UserWarning, match="has changed in base"):
        tune(tmp_path / "search.yaml", out=tmp_path / "out", runner=Trainings())


def test_names_and_titles_do_not_make_another_search(tmp_path):
    _search(tmp_path)
    trainings = Trainings()
    _search(tmp_path, SEARCH + "title: Another title\nsource: me\n", trainings)
    assert trainings.jobs == []


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="is not a search folder") as caught:
        _search(tmp_path)
    assert caught.value.found == "thesis.tex"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_search_file_is_told(tmp_path, content):
    _search(tmp_path)
    (tmp_path / "out" / "search.json").write_text(content)
    with pytest.raises(UserError, match=r"search\.json is damaged"):
        _search(tmp_path)


@pytest.mark.parametrize(
    ("line", "told"), [("{}\n", "log of trials is damaged"), ("oops\n", "a log is damaged")]
)
def test_a_damaged_log_is_told(tmp_path, line, told):
    _search(tmp_path)
    (tmp_path / "out" / "trials.jsonl").write_text(line)
    with pytest.raises(UserError, match=told):
        _search(tmp_path)


def test_a_log_of_another_search_is_told(tmp_path):
    result = _search(tmp_path)
    log = result.path / "trials.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[1].replace('"trial": 2', '"trial": 1'))
    with pytest.raises(UserError, match="the log of trials belongs to another search"):
        _search(tmp_path)


def test_one_search_owns_a_folder_at_a_time(tmp_path):
    result = _search(tmp_path)
    with hold_lock(result.path), pytest.raises(UserError, match="a search is running in"):
        _search(tmp_path)


def test_the_training_of_a_killed_search_is_waited_for(tmp_path):
    folder = SearchFolder(_search(tmp_path).path)
    with hold_lock(folder.trials), pytest.raises(UserError, match="is still running"):
        folder.wait_for_training(seconds=0.3)
    folder.wait_for_training(seconds=0.3)


def test_a_search_in_which_nothing_finished_has_no_best(tmp_path):
    with pytest.raises(GateError, match="none of the 6 trainings finished") as caught:
        _search(tmp_path, SEARCH, Trainings(lambda job: "out of memory"))
    assert caught.value.found == "out of memory"
    assert not (tmp_path / "out" / "best.yaml").exists()


def test_progress_says_what_begins_ends_and_was_there(tmp_path):
    events: list[Event] = []
    _stopped_search(tmp_path, SEARCH, 2)
    _search(tmp_path, progress=events.append)
    assert [event.kind for event in events] == ["recalled"] * 2 + ["begins", "ends"] * 4
    assert [event.done for event in events] == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert {event.planned for event in events} == {6}
    best = [event.best.val_accuracy for event in events if event.best]
    assert best == sorted(best)


def test_the_default_folder_is_called_after_search_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "files")
    result = tune(file, "folder:photos/cats", runner=Trainings())
    assert result.path == Path("searches/small-cats")


@pytest.mark.parametrize("key", ["constraints", "order"])
def test_other_orders_and_constraints_change_the_page(tmp_path, key):
    _search(tmp_path)
    change = SEARCH + 'constraints: ["stages[0].depth <= 2"]\n'
    if key == "order":
        change = SEARCH.replace("max: 3}", "max: 3, order: rising}")
    with pytest.warns(UserWarning, match="has changed in constraints"):
        _search(tmp_path, change)


def test_a_search_of_version_0_1_whose_candidates_come_in_another_order_is_refused(tmp_path):
    large = SEARCH.replace("max: 3", "max: 40").replace("trials: 6", "trials: 1")
    file = _search(tmp_path, large).path / "search.json"
    identity = json.loads(file.read_text())
    assert identity["format_version"] == 2
    file.write_text(json.dumps({**identity, "format_version": 1}))
    with pytest.raises(UserError, match=r"version 0\.1, which drew .* in another order") as caught:
        _search(tmp_path, large)
    assert caught.value.hint


def test_a_search_that_version_0_1_would_draw_alike_says_so(tmp_path):
    identity = json.loads((_search(tmp_path).path / "search.json").read_text())
    assert identity["format_version"] == 1


def test_other_threads_than_before_are_noted_and_no_other_search(tmp_path):
    folder = SearchFolder(_search(tmp_path).path)
    assert folder.record_threads(2) is None
    assert folder.record_threads(2) is None
    assert folder.record_threads(1) == 2
    with pytest.warns(UserWarning, match="4 CPU threads now and had 1 before.*--per-trial cpus=1"):
        _note_threads(folder, 4)
    more = SEARCH.replace("trials: 6", "trials: 7")
    _search(tmp_path, more)  # writes search.json again
    assert json.loads((folder.path / "search.json").read_text())["threads"] == 4


def test_a_search_that_gives_up_in_a_huge_space_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(combinations, "COUNTABLE", 20)
    monkeypatch.setattr(sampling, "MOST_INFEASIBLE", 15)
    result = _search(tmp_path, SEARCH + "limits: {parameters: 5500}\n")
    assert len(result.records) < result.planned
    assert "15 candidates in a row were infeasible, after " in result_text(result)
