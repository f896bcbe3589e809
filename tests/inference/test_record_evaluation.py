from dataclasses import replace

import numpy as np
import pytest

from reszoo.inference.metrics import score
from reszoo.inference.record_evaluation import record_evaluation
from reszoo.runs import Run
from reszoo.runs.evaluation_file import NAME, read_evaluation

LOGITS = np.log([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
TESTED = score(np.array([0, 1, 1]), LOGITS, ("cat", "dog"), data="made up", split="test")


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, {"test_split": "test"})


def test_the_record_has_the_numbers_of_the_evaluation(run):
    picture = replace(TESTED.mistakes[0], png=b"picture")
    record_evaluation(run, replace(TESTED, mistakes=(picture,)))
    stored = read_evaluation(run.path)
    assert (stored.accuracy, stored.interval) == (TESTED.accuracy, TESTED.interval)
    assert stored.confusion == {(0, 0): 1, (1, 0): 1, (1, 1): 1}
    assert [(each.true, each.predicted, each.png) for each in stored.mistakes] == [
        ("dog", "cat", b"picture")
    ]


def test_another_split_does_not_replace_the_test_split(run):
    record_evaluation(run, replace(TESTED, split="train"))
    record_evaluation(run, TESTED)
    record_evaluation(run, replace(TESTED, split="train"))
    assert read_evaluation(run.path).split == "test"


def test_a_damaged_record_is_replaced(run):
    (run.path / NAME).write_text("{")
    record_evaluation(run, TESTED)
    assert read_evaluation(run.path).split == "test"


def test_a_folder_that_cannot_be_written_is_a_warning(run):
    (run.path / NAME).mkdir()
    with pytest.warns(UserWarning, match="was not written"):
        record_evaluation(run, TESTED)
