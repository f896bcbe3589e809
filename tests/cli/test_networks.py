"""The commands that need TensorFlow, from build to tune."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import refused


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(path)
    return path


def test_build_prints_the_counts_and_saves(reszoo, tiny, tmp_path):
    result = reszoo("build", tiny, "-o", "x.keras", "--classes", 3, "--summary")
    assert (result.code, result.err) == (0, "")
    assert "classes        3\n" in result.out
    assert "as planned" in result.out
    assert "stage1_block1_conv1" in result.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.yaml", "x.keras"]


def test_build_says_that_the_counts_are_the_published_ones(reszoo):
    out = reszoo("build", "resnet20").out
    assert "269,722, equal to the published count (He 2015, Table 6)" in out
    assert "40,551,040, equal to the published 40.55 M" in out


def test_a_mistake_in_a_spec_is_told_before_tensorflow_starts(reszoo, monkeypatch):
    from reszoo.cli import build, train

    def start(debug):
        raise AssertionError("started")

    monkeypatch.setattr(build, "start_tensorflow", start)
    monkeypatch.setattr(train, "start_tensorflow", start)
    refused(reszoo("build", "resnet20", "--set", "stages[0].depth=0"), "stages[0].depth")
    refused(reszoo("train", "resnet20", "--recipe", "shrot32"), "shrot32", "'short32'")


def test_mistakes_go_into_a_table_and_onto_a_sheet(reszoo, run_folder, tmp_path):
    out = reszoo("evaluate", run_folder, "--mistakes", "wrong.csv").out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "wrong.csv").read_text())))
    confusion = json.loads(reszoo("evaluate", run_folder, "--mistakes", "x.png", "--json").out)
    wrong = 360 - sum(row[i] for i, row in enumerate(confusion["confusion"]))
    assert len(rows) == wrong
    assert f"mistakes  {wrong}, in wrong.csv" in out
    with Image.open("x.png") as sheet:
        assert sheet.width > 1000


def test_another_file_for_mistakes_is_refused_before_the_evaluation(reszoo, run_folder):
    result = reszoo("evaluate", run_folder, "--mistakes", "wrong.txt")
    refused(result, "cannot write mistakes into wrong.txt", "--mistakes wrong.csv")


def test_train_needs_a_network(reszoo):
    refused(reszoo("train"), "there is no network to train")


def test_train_leaves_a_run_that_says_how_it_was_made(run_folder):
    info = json.loads((run_folder / "run.json").read_text())
    assert info["state"] == "finished"
    assert info["command"][:2] == ["reszoo", "train"]
    assert info["seed"] == 3


def test_train_refuses_classes_that_the_data_do_not_have(reszoo, tiny, tmp_path):
    refused(reszoo("train", tiny, "--classes", 7), "10", "7")
    assert not (tmp_path / "runs").exists()


def test_resume_gives_a_finished_run_more_epochs(reszoo, run_folder, tmp_path):
    longer = shutil.copytree(run_folder, tmp_path / "longer")
    result = reszoo("resume", longer, "--epochs", 3)
    assert result.code == 0
    epochs = [json.loads(line) for line in (longer / "metrics.jsonl").read_text().splitlines()]
    assert max(line["epoch"] for line in epochs) == 3
    refused(reszoo("resume", tmp_path), "is not a run folder")


def test_evaluate_tells_accuracy_classes_and_confusions(reszoo, run_folder):
    out = reszoo("evaluate", run_folder).out
    assert "split test, 360 images" in out
    assert "95 % interval" in out
    assert "precision" in out
    assert "true \\ predicted" in out


def test_evaluate_json_adds_up(reszoo, run_folder):
    evaluation = json.loads(reszoo("evaluate", run_folder, "--split", "train[:50]", "--json").out)
    assert evaluation["examples"] == sum(map(sum, evaluation["confusion"])) == 50
    assert evaluation["accuracy"] == sum(evaluation["confusion"][i][i] for i in range(10)) / 50


def test_evaluate_needs_to_know_the_data_of_a_bare_model(reszoo, run_folder):
    refused(reszoo("evaluate", run_folder / "model.keras"), "--data")
    assert reszoo("evaluate", run_folder / "model.keras", "--data", "digits").code == 0


def test_predict_names_the_likeliest_classes(reszoo, run_folder, picture):
    (prediction,) = json.loads(reszoo("predict", run_folder, picture, "--top", 3, "--json").out)
    assert prediction["path"] == str(picture)
    assert len(prediction["classes"]) == len(prediction["probabilities"]) == 3
    table = reszoo("predict", run_folder, picture, "--top", 3).out
    assert all(name in table for name in prediction["classes"])


def test_predict_csv_has_a_line_for_each_picture_and_rank(reszoo, run_folder, picture, tmp_path):
    (tmp_path / "list.txt").write_text(f"{picture}\n\n{picture}\n")
    out = reszoo("predict", run_folder / "model.keras", "list.txt", "--csv", "--top", 2).out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["rank"] for row in rows] == ["1", "2", "1", "2"]
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)


def test_predict_reads_a_list_from_standard_input(reszoo, run_folder, picture, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{picture}\n"))
    assert len(json.loads(reszoo("predict", run_folder, "-", "--json").out)) == 1


@pytest.mark.parametrize("missing", ["nothing.png", "nothing.txt"])
def test_predict_refuses_what_is_not_there(reszoo, run_folder, missing):
    refused(reszoo("predict", run_folder, missing), missing)


def test_data_tells_splits_and_classes_and_draws_a_sheet(reszoo, tmp_path):
    result = reszoo("data", "digits", "--sheet", "sheet.png")
    assert "train 1,437, test 360" in result.out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
    assert json.loads(reszoo("data", "digits", "--json").out)["splits"] == {
        "train": 1437,
        "test": 360,
    }


def test_data_refuses_a_folder_that_is_not_there(reszoo):
    refused(reszoo("data", "folder:nowhere"), "nowhere")
    refused(reszoo("data", "digits", "--sheet", "sheet.pdf"), "sheet.pdf", ".png")


def test_a_bundle_is_told_and_its_file_predicts(reszoo, run_folder, picture, tmp_path):
    words = ("export", run_folder, "--target", "mobile-float32", "-o", "bundle")
    result = reszoo(*words, "--set", "gate.images=20")
    assert result.code == 0, result.err
    assert "gate           passed" in result.out
    for file in (tmp_path / "bundle").iterdir():
        assert file.name in result.out
    assert reszoo("predict", "bundle/model.tflite", picture).code == 0
    evaluated = reszoo("evaluate", "bundle/model.tflite", "--data", "digits", "--json")
    assert json.loads(evaluated.out)["examples"] == 360


def test_export_refuses_an_unknown_target(reszoo, run_folder):
    refused(reszoo("export", run_folder, "--target", "mobile-int9"), "'mobile-int8'")


def test_tune_plan_tells_the_space_and_trains_nothing(reszoo, tmp_path):
    out = reszoo("tune", "digits_tiny", "--plan").out
    assert "weighed            all" in out
    assert "stages[*].depth" in out
    assert not list(tmp_path.iterdir())


def test_tune_refuses_limits_that_nothing_keeps(reszoo, tmp_path):
    refused(reszoo("tune", "digits_tiny", "--plan", "--set", "limits.parameters=10"))
    assert not list(tmp_path.iterdir())


def test_a_stopped_search_names_the_command_that_resumes_it(reszoo, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("reszoo.tuning.tune.tune", stop)
    result = reszoo("tune", "digits_tiny", "-o", "my search")
    assert result.code == 130
    assert "resumes the search: reszoo tune digits_tiny -o 'my search'" in result.err


@pytest.mark.slow
def test_tune_searches_and_goes_on(reszoo, tmp_path):
    result = reszoo("tune", "digits_tiny", "-o", "search")
    assert result.code == 0, result.err
    assert "reszoo train search/best.yaml" in result.out
    again = reszoo("tune", "digits_tiny", "-o", "search")
    assert again.out == result.out
    assert "(from before)" in again.err


@pytest.mark.slow
def test_the_demo_does_the_main_job(reszoo, tmp_path):
    result = reszoo("demo", "-o", "demo")
    assert result.code == 0, result.err
    assert "gate           passed" in result.out
    for name in ("bundle/model.tflite", "bundle/contract.json", "search/best.yaml"):
        assert (tmp_path / "demo" / name).is_file()
    assert len(list((tmp_path / "demo" / "pictures").iterdir())) == 5
