"""Evaluations, predictions, searches and data sets are told whole."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from reszoo.cli.program import full_parser
from reszoo.cli.train import add_options as train_options
from reszoo.inference.metrics import Evaluation
from reszoo.report.dataset_summary import dataset_text
from reszoo.report.evaluation_summary import evaluation_text
from reszoo.report.predictions import predictions_csv, predictions_text
from reszoo.report.search_events import event_text
from reszoo.report.search_summary import result_text
from reszoo.spec.test_time import Views
from reszoo.tuning import SearchResult
from reszoo.tuning.search_result import read_result
from reszoo.tuning.tune import tune
from tests.tuning.searches import Trainings, write


def evaluation(count):
    """`count` classes with ten images each; every image is taken for the class before."""
    names = [f"class{index}" for index in range(count)]
    confusion = {(index, (index - 1) % count): 10 for index in range(count)}
    classes = [SimpleNamespace(name=n, examples=10, precision=None, recall=0.0) for n in names]
    return Evaluation(
        data="digits",
        split="test",
        examples=10 * count,
        accuracy=0.0,
        interval=(0.0, 0.125),
        top5=None,
        loss=1.5,
        classes=classes,
        confusion=confusion,
        views=Views(),
        agreement=None,
    )


def test_few_classes_have_a_matrix():
    text = evaluation_text(evaluation(3))
    assert "0.00 % (95 % interval 0.00 to 12.50 %)" in text
    assert "top-5" not in text
    assert text.splitlines()[-3:] == [
        "class0                 .       .      10",
        "class1                10       .       .",
        "class2                 .      10       .",
    ]


def test_a_wide_class_name_is_cut_to_the_width_of_its_column():
    wide = evaluation(2)
    wide.classes[0].name = "猫" * 6
    header, rule, first, _ = evaluation_text(wide).splitlines()[-4:]
    assert header.endswith("  猫猫猫 ~  class1")
    assert cell_len(header) == cell_len(rule) == cell_len(first)


def test_many_classes_have_their_worst_pairs():
    lines = evaluation_text(evaluation(30)).splitlines()
    assert lines[-10].split() == ["class0", "class29", "10"]
    assert len(lines[-1].split()) == 3


def test_predictions_are_a_table_or_csv():
    predictions = [
        SimpleNamespace(
            path=path, classes=("cat", "dog"), probabilities=(0.75, 0.25), true_class=true
        )
        for path, true in (("a,b.png", None), ("dog/c.png", "dog"))
    ]
    assert predictions_text(predictions).splitlines()[2:4] == [
        "a,b.png    cat        75.00 %",
        "           dog        25.00 %",
    ]
    assert predictions_csv(predictions).splitlines() == [
        "picture,rank,class,probability,true_class",
        '"a,b.png",1,cat,0.750000,',
        '"a,b.png",2,dog,0.250000,',
        "dog/c.png,1,cat,0.750000,dog",
        "dog/c.png,2,dog,0.250000,dog",
    ]


def test_a_search_tells_each_training_once_it_has_ended():
    record = SimpleNamespace(trial=2, epochs=6, val_accuracy=0.5, changes={"stages[*].depth": 3})
    job = SimpleNamespace(kind="trial", trial=2, repeat=0, epochs=6, changes={"stages[*].depth": 3})
    event = SimpleNamespace(
        kind="recalled",
        job=job,
        record=record,
        done=1,
        planned=4,
        best=record,
        epoch=None,
        seconds_left=None,
    )
    assert event_text(event) == (
        "1/4  trial 2, 6 epochs: 50.00 % (from before)  stages[*].depth=3  best: 50.00 %"
    )
    assert event_text(SimpleNamespace(**{**vars(event), "record": None})) is None
    first = SimpleNamespace(kind="begins", job=job, record=None, done=0, planned=4, epoch=None)
    assert event_text(first) == "0/4  trial 2, 6 epochs: begins  stages[*].depth=3"
    trains = SimpleNamespace(
        kind="trains",
        job=job,
        done=1,
        planned=4,
        best=record,
        epoch={"epoch": 3, "val_accuracy": 0.25},
        seconds_left=610.0,
    )
    assert event_text(trains) == (
        "1/4  trial 2, epoch 3 of 6: 25.00 %  best: 50.00 %  about 10 min left"
    )
    failed = SimpleNamespace(**{**vars(record), "val_accuracy": None})
    assert "failed" in event_text(
        SimpleNamespace(**{**vars(event), "record": failed, "best": None})
    )


def test_a_search_ends_with_the_whole_command_that_trains_its_best(tmp_path):
    result = tune(
        write(tmp_path),
        "folder:my pictures",
        out=tmp_path / "out",
        seed=7,
        skip_bad_images=True,
        runner=Trainings(),
    )
    lines = map(shlex.split, result_text(result).splitlines())
    (command,) = [words[1:] for words in lines if words[:1] == ["next"]]
    assert command[:3] == ["reszoo", "train", str(result.best_path)]
    parser = ArgumentParser()
    train_options(parser)
    options = parser.parse_args(command[2:])
    assert (options.data, options.seed, options.skip_bad_images) == ("folder:my pictures", 7, True)
    assert Path(options.recipe).is_file()


def test_every_row_of_a_search_has_the_interval_that_its_held_out_images_leave(
    tmp_path, monkeypatch
):
    file = write(tmp_path)
    fails = Trainings(lambda job: "broken" if job.trial == 2 else None)
    result = tune(file, out=tmp_path / "out", runner=fails)
    assert "95 % interval" not in result_text(result), "no run says how many images there were"
    monkeypatch.setattr(SearchResult, "held_out_images", 287)
    shown = tune(file, out=tmp_path / "out", runner=fails)
    header, _, *rows = result_text(shown).splitlines()[:8]
    assert header.split()[:6] == ["trial", "epochs", "validation", "95", "%", "interval"]
    for row, record in zip(rows, shown.trials, strict=True):
        _, _, rest = row.split(maxsplit=2)
        if record.trial == 2:
            assert rest.split()[:2] == ["failed", "-"]
            continue
        accuracy, low, high = (float(word) for word in re.findall(r"\d+\.\d+", rest)[:3])
        assert low < accuracy < high < low + 13, "of 287 images at 50 to 80 %"


def test_an_unfinished_search_is_shown_with_the_command_that_resumes_it(tmp_path):
    def stops(job):
        if job.trial == 4:
            raise KeyboardInterrupt

    file, out = write(tmp_path), tmp_path / "my search"
    with pytest.raises(KeyboardInterrupt):
        tune(file, out=out, runner=Trainings(stops))
    text = result_text(read_result(out))
    assert "3 of 6 trainings are recorded" in text
    command = shlex.split(text.splitlines()[-1])
    options = full_parser().parse_args(command[1:])
    assert (command[0], options.search, options.out) == (
        "reszoo",
        str(out / "search.yaml"),
        str(out),
    )


def test_broken_files_are_named_and_counted():
    description = SimpleNamespace(
        name="folder:x",
        classes=("a", "b"),
        splits={"train": 30},
        counts={"train": {"a": 20, "b": 10}},
        channels=3,
        heights="8",
        widths="8 to 9, median 8",
        measured=30,
        forms={"PNG RGB": 30},
        broken=tuple((f"x/{index}.png", "it is empty") for index in range(25)),
        notes=lambda: ["some are odd"],
    )
    text = dataset_text(description)
    assert "x/0.png      it is empty" in text
    assert "and 5 more" in text
    assert text.endswith("note: some are odd")
