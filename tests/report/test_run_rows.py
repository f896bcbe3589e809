import json
import statistics

from reszoo.report.run_rows import run_row, seed_spreads
from tests.report.sample_runs import finished_run


def test_a_row_has_what_was_trained_and_how_good_it_is(tmp_path):
    row = run_row(finished_run(tmp_path / "one", seed=3).path)
    assert (row.name, row.state, row.problem) == ("one", "finished", None)
    assert (row.network, row.data, row.recipe, row.seed) == ("tiny", "digits", "short", 3)
    assert (row.split, row.accuracy, row.interval) == ("test", 0.9, (0.7, 0.99))
    assert (row.epochs, row.planned_epochs, round(row.minutes, 3)) == (2, 2, 0.067)
    assert row.parameters > 0
    assert row.spec == "4 layers; depths 1, widths 4; residual"


def test_without_a_test_accuracy_the_validation_counts(tmp_path):
    run = finished_run(tmp_path / "one")
    info = json.loads((run.path / "run.json").read_text())
    del info["test_accuracy"]
    (run.path / "run.json").write_text(json.dumps(info))
    row = run_row(run.path)
    assert (row.split, row.accuracy, row.interval) == ("validation", 0.8, None)


def test_broken_runs_say_why(tmp_path):
    damages = {
        "damaged": lambda folder: (folder / "run.json").write_text("{"),
        "foreign": lambda folder: (folder / "run.json").write_text('{"format": "other"}'),
        "lost": lambda folder: (folder / "architecture.yaml").unlink(),
        "odd": lambda folder: (folder / "run.json").write_text(
            (folder / "run.json").read_text().replace("0.7,", '"x",')
        ),
    }
    for name, damage in damages.items():
        damage(finished_run(tmp_path / name).path)
        row = run_row(tmp_path / name)
        assert row.is_broken, name
        assert row.problem, name


def test_seeds_are_averaged_over_runs_that_differ_in_nothing_else(tmp_path):
    accuracies = (0.8, 0.9)
    rows = [
        run_row(finished_run(tmp_path / str(seed), seed=seed, accuracy=accuracy).path)
        for seed, accuracy in enumerate(accuracies)
    ]
    other = run_row(finished_run(tmp_path / "other", seed=7, classes=["a", "b", "d"]).path)
    (spread,) = seed_spreads([*rows, other])
    assert spread.seeds == (0, 1)
    assert (spread.mean, spread.deviation) == (
        statistics.mean(accuracies),
        statistics.stdev(accuracies),
    )
    assert (spread.least, spread.most) == accuracies


def test_one_seed_twice_is_no_spread(tmp_path):
    rows = [run_row(finished_run(tmp_path / name, seed=1).path) for name in "ab"]
    assert seed_spreads(rows) == []
