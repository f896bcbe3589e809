import numpy as np
import pytest

from reszoo.inference.reliability import BINS, calibration_bins, ranked_mistakes

LABELS = np.array([0, 1, 1, 0, -1])
PREDICTED = np.array([0, 0, 1, 1, 0])
CONFIDENCE = np.array([1.0, 0.97, 0.6, 0.8, 0.5])
CORRECT = LABELS == PREDICTED


def test_bins_hold_every_image_once():
    bins = calibration_bins(CORRECT, CONFIDENCE)
    assert len(bins) == BINS
    assert sum(each.examples for each in bins) == len(LABELS)
    assert (bins[0].low, bins[-1].high) == (0.0, 1.0)


def test_a_bin_compares_confidence_and_accuracy():
    last = calibration_bins(CORRECT, CONFIDENCE)[-1]  # the first two images
    assert last.examples == 2
    assert last.confidence == pytest.approx(0.985)
    assert last.accuracy == 0.5


def test_an_empty_bin_has_neither():
    first = calibration_bins(CORRECT, CONFIDENCE)[0]
    assert (first.examples, first.confidence, first.accuracy) == (0, None, None)


def test_mistakes_come_most_confident_first_and_hidden_labels_are_none():
    mistakes = ranked_mistakes(LABELS, PREDICTED, CONFIDENCE)
    assert [(each.index, each.label, each.predicted) for each in mistakes] == [(1, 1, 0), (3, 0, 1)]
    assert mistakes[0].confidence == pytest.approx(0.97)
