"""Metrics equal scikit-learn's and published values."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from reszoo.inference.metrics import score, softmax, top_k, wilson_interval

CLASSES = tuple("abcdefg")


@pytest.fixture
def guesses():
    random = np.random.default_rng(0)
    labels = random.integers(0, 7, 200)
    logits = random.normal(size=(200, 7)).astype(np.float32)
    logits[np.arange(200), labels] += 1
    return labels, logits


def test_scores_equal_scikit_learn(guesses):
    labels, logits = guesses
    evaluation = score(labels, logits, CLASSES, data="made up", split="test")
    predicted = logits.argmax(1)
    precision, recall, _, support = metrics.precision_recall_fscore_support(labels, predicted)
    assert evaluation.accuracy == metrics.accuracy_score(labels, predicted)
    assert evaluation.top5 == metrics.top_k_accuracy_score(labels, logits, k=5)
    assert evaluation.loss == pytest.approx(metrics.log_loss(labels, softmax(logits)))
    matrix = metrics.confusion_matrix(labels, predicted)
    np.testing.assert_array_equal(evaluation.confusion_matrix(), matrix)
    assert evaluation.confusion == {cell: count for cell, count in np.ndenumerate(matrix) if count}
    assert [row.precision for row in evaluation.classes] == pytest.approx(list(precision))
    assert [row.recall for row in evaluation.classes] == pytest.approx(list(recall))
    assert [row.examples for row in evaluation.classes] == list(support)


def test_classes_without_examples_or_guesses_have_no_score():
    logits = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    evaluation = score(np.array([0, 2, 2]), logits, ("a", "b", "c"), data="", split="")
    assert [row.precision for row in evaluation.classes] == [0.5, 0.0, None]
    assert [row.recall for row in evaluation.classes] == [1.0, None, 0.0]
    assert evaluation.top5 is None


@pytest.mark.parametrize(
    ("correct", "examples", "interval"),
    [
        # Newcombe 1998, Table I, method 3 (score without continuity correction).
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_the_interval_is_wilsons(correct, examples, interval):
    assert wilson_interval(correct, examples) == pytest.approx(interval, abs=5e-5)


@pytest.mark.parametrize("examples", [1, 2, 7, 360, 10_000, 999_983])
def test_the_interval_is_scipys_to_the_last_bit(examples):
    for correct in {0, 1, examples // 3, 9 * examples // 10, examples - 1, examples}:
        interval = binomtest(correct, examples).proportion_ci(method="wilson")
        assert wilson_interval(correct, examples) == (interval.low, interval.high)


def test_large_logits_do_not_overflow():
    probabilities = softmax(np.array([[1e4, 0.0], [-1e4, 0.0]], np.float32))
    np.testing.assert_array_equal(probabilities, [[1, 0], [0, 1]])


def test_the_first_of_equal_classes_ranks_first():
    np.testing.assert_array_equal(top_k(np.array([[1.0, 2, 2, 0]]), 3), [[1, 2, 0]])


def test_top_5_counts_the_first_of_equal_classes_first():
    logits = np.array([[1.0, 1, 1, 1, 1, 1, 0]] * 2, np.float32)
    assert score(np.array([4, 5]), logits, CLASSES, data="", split="").top5 == 0.5


def test_blocks_of_rows_change_nothing(guesses, monkeypatch):
    whole = score(*guesses, CLASSES, data="", split="")
    monkeypatch.setattr("reszoo.inference.metrics._BLOCK", 20)
    assert score(*guesses, CLASSES, data="", split="") == whole


def test_an_evaluation_is_plain_json(guesses):
    values = score(*guesses, CLASSES, data="made up", split="test").to_dict()
    assert json.loads(json.dumps(values)) == values
    assert len(values["confusion"]) == 7


def test_of_many_classes_json_has_the_counts_that_are_not_0():
    classes = tuple(map(str, range(5_000)))
    logits = np.zeros((2, 5_000), np.float32)
    logits[:, 7] = 1
    values = score(np.array([7, 4_999]), logits, classes, data="", split="").to_dict()
    assert values["confusion"] is None
    assert values["confusion_counts"] == [[7, 7, 1], [4_999, 7, 1]]
    assert len(json.dumps(values)) < 500_000
