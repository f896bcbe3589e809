import csv
import io
import json

from reszoo.report.run_listing import runs_csv, runs_json, runs_latex, runs_text, sorted_rows
from reszoo.report.run_rows import run_row, seed_spreads
from tests.report.sample_runs import finished_run


def rows_of(tmp_path):
    for seed, accuracy in enumerate((0.8, 0.9)):
        finished_run(tmp_path / f"run-{seed}", seed=seed, accuracy=accuracy)
    finished_run(tmp_path / "other", accuracy=0.7, classes=["a", "b", "d"])
    (finished_run(tmp_path / "broken").path / "run.json").write_text("{")
    return [run_row(path) for path in sorted(tmp_path.iterdir())]


def test_rows_are_sorted_with_what_is_missing_last(tmp_path):
    rows = rows_of(tmp_path)
    by_accuracy = [row.name for row in sorted_rows(rows, "accuracy")]
    assert by_accuracy == ["run-1", "run-0", "other", "broken"]
    assert [row.name for row in sorted_rows(rows, "seed")] == ["run-0", "other", "run-1", "broken"]


def test_the_text_has_runs_seeds_and_what_is_broken(tmp_path):
    rows = rows_of(tmp_path)
    text = runs_text(rows, seed_spreads(rows))
    assert "85.00 %" in text  # the mean
    assert f"broken: {tmp_path / 'broken'}: " in text


def test_csv_and_json_have_unrounded_values(tmp_path):
    rows = sorted_rows(rows_of(tmp_path), "accuracy")
    lines = list(csv.DictReader(io.StringIO(runs_csv(rows))))
    values = json.loads(json.dumps(runs_json(rows, seed_spreads(rows))))
    assert [line["accuracy"] for line in lines] == ["0.9", "0.8", "0.7", ""]
    assert [run["accuracy"] for run in values["runs"]] == [0.9, 0.8, 0.7, None]
    assert lines[0]["interval95_low"] == "0.7"
    assert values["seeds"][0]["seeds"] == [0, 1]


def test_latex_joins_seeds_and_escapes_names(tmp_path):
    rows = rows_of(tmp_path)
    latex = runs_latex(rows, seed_spreads(rows))
    assert r"$85.00 \pm 7.07$ \\" in latex
    assert latex.count("tiny &") == 2
