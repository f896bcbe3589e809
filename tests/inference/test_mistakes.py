"""The mistakes of an evaluation as a table and as a sheet."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.inference.metrics import score
from reszoo.inference.mistake_sheet import Caption, mistake_sheet
from reszoo.inference.mistakes import check_mistakes_file, find_images, mistakes_csv, write_mistakes
from reszoo.inference.record_evaluation import record_evaluation
from reszoo.runs import Run
from reszoo.runs.evaluation_file import read_evaluation

LABELS = np.array([0, 1, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1], [0.97, 0.03], [0.6, 0.4], [0.8, 0.2]])
CLASSES = ("cat", "dog, large")


def evaluated(labels, probabilities, classes=CLASSES):
    return score(labels, np.log(probabilities), classes, data="made up", split="test")


def split_of(labels):
    """Images that are as bright as their number."""
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.uint8(1)
    return open_data((np.broadcast_to(pixels, (len(labels), 8, 8, 1)).copy(), labels)).split()


def test_the_table_lists_every_mistake_with_its_true_class():
    rows = list(csv.DictReader(io.StringIO(mistakes_csv(evaluated(LABELS, PROBABILITIES)))))
    shared = {"picture": "", "class": "cat", "true_class": "dog, large"}
    assert rows == [
        {**shared, "index": "1", "probability": "0.970000"},
        {**shared, "index": "2", "probability": "0.600000"},
    ]


def test_all_mistakes_are_in_the_table_and_the_first_25_in_the_record(tmp_path):
    labels = np.arange(60) % 2
    split = split_of(labels)
    wrong = np.where(labels[:, None] == np.arange(2), 0.1, 0.9)
    evaluation = evaluated(labels, wrong)
    mistakes = find_images(evaluation.mistakes, split)
    evaluation = replace(evaluation, mistakes=mistakes)
    write_mistakes(tmp_path / "all.csv", evaluation, split)
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 61
    record_evaluation(Run(tmp_path, {"test_split": "test"}), evaluation)
    stored = read_evaluation(tmp_path).mistakes
    assert len(stored) == 25
    assert all(each.png for each in stored)
    assert mistakes[25].png is None


def test_the_sheet_shows_the_mistakes_in_their_order(tmp_path):
    split = split_of(LABELS)
    write_mistakes(tmp_path / "sheet.PNG", evaluated(LABELS, PROBABILITIES), split)
    sheet = np.asarray(Image.open(tmp_path / "sheet.PNG"))
    first, second = sheet[60:190, 20:150], sheet[60:190, 180:310]
    assert (first == 1).all()  # image 1, of which the network was most certain
    assert (second == 2).all()
    assert (sheet[60:190, 340:] == 255).all()  # there is no third


def test_a_sheet_without_mistakes_is_its_title(tmp_path):
    right = np.eye(2)[LABELS] * 0.8 + 0.1
    write_mistakes(tmp_path / "none.png", evaluated(LABELS, right), split_of(LABELS))
    sheet = np.asarray(Image.open(tmp_path / "none.png").convert("L"))
    assert sheet[:50].min() < 100
    assert sheet[60:].min() == 255


@pytest.mark.parametrize("name", ["猫" * 60, "a\x1b[31mb", "x" * 500, ""])
def test_captions_stay_below_their_pictures(name):
    images = [Image.new("RGB", (300, 20), "white")] * 2
    caption = Caption(name, "98.7 %", name)
    sheet = np.asarray(mistake_sheet("", images, [caption, Caption("", "", "")]).convert("L"))
    assert (sheet[200:, 160:176] == 255).all()  # the gap between the two captions
    assert sheet[200:, 100:160].min() < 255 or not name or len(name) < 50


@pytest.mark.parametrize("name", ["mistakes", "mistakes.html", ".csv"])
def test_other_endings_are_refused_with_a_name_that_works(name):
    with pytest.raises(UserError, match="cannot write mistakes into") as refused:
        check_mistakes_file(name)
    check_mistakes_file(refused.value.hint.split()[-1])
