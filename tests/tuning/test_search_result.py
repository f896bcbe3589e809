"""The result of a search, returned and read back from its folder."""

from __future__ import annotations

import pytest

from reszoo.cli import main
from reszoo.errors import GateError, UserError
from reszoo.report.search_summary import result_text
from reszoo.tuning import Outcome
from reszoo.tuning.search_result import read_result
from reszoo.tuning.tune import tune
from tests.tuning.searches import BASE, SEARCH, Trainings, write

GRID = SEARCH.replace("{kind: random, trials: 6", "{kind: grid, trials: 6")
ALL = (
    GRID
    + "confirm: {best: 2, seeds: 1}\nreferences: [tiny.yaml]\n"
    + "objectives: {val_accuracy: max, macs: min}\n"
)


@pytest.fixture
def result(tmp_path):
    file = write(tmp_path, ALL)
    (tmp_path / "tiny.yaml").write_text(BASE)
    return tune(file, out=tmp_path / "out", runner=Trainings())


def test_a_folder_holds_the_result_of_its_search(result):
    shown = read_result(result.path)
    assert (shown.best, shown.spec, shown.records) == (result.best, result.spec, result.records)
    assert (shown.trials, shown.front, shown.means) == (result.trials, result.front, result.means)
    assert (shown.planned, shown.is_finished) == (result.planned, True)


def test_confirmations_of_trials_that_were_overtaken_do_not_count(tmp_path):
    """More trials have other best ones; the rows of the earlier ones stay in the log."""
    text = GRID + "confirm: {best: 1, seeds: 2}\n"
    file, out = write(tmp_path, text), tmp_path / "out"
    tune(file, out=out, runner=lambda job: Outcome(0.5 + job.trial / 100 - job.repeat / 10))
    write(tmp_path, text.replace("trials: 6", "trials: 9"))
    rising = tune(file, out=out, runner=lambda job: Outcome(0.5 + job.trial / 100 - job.repeat / 4))
    shown = read_result(out)
    assert [*rising.means] == [9]
    assert (shown.best, shown.means, shown.records) == (
        rising.best,
        rising.means,
        rising.records,
    )
    assert shown.is_finished
    assert (out / "trials.jsonl").read_text().count('"confirm"') == 4


def test_the_table_has_references_means_and_the_front(result):
    text = result_text(result)
    assert "mean of seeds" in text.splitlines()[0]
    references = [line for line in text.splitlines() if line.lstrip().startswith("reference")]
    assert [line.rpartition("  ")[2] for line in references] == ["tiny"]
    assert f"in {result.path / 'pareto'}, by val_accuracy, macs" in text
    assert "on average over all seeds" in text


def test_the_command_shows_a_folder(result, capsys):
    assert main(["tune", "--show", str(result.path)]) == 0
    assert capsys.readouterr().out.strip() == result_text(read_result(result.path)).strip()


def test_what_is_no_search_or_has_no_result_is_told(tmp_path):
    with pytest.raises(UserError, match="is not a search folder") as caught:
        read_result(tmp_path)
    assert "searches/" in (caught.value.hint or "")

    def fail(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(write(tmp_path, GRID), out=tmp_path / "out", runner=fail)
    with pytest.raises(GateError, match=r"no training of the search in .* has ended yet"):
        read_result(tmp_path / "out")
