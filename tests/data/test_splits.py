from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reszoo.data.splits import stratified_holdout

LABELS = np.repeat([0, 1, 2], [100, 40, 10])


def test_each_class_gives_its_share():
    kept, held_out = stratified_holdout(LABELS, 0.1, seed=0)
    assert np.bincount(LABELS[held_out]).tolist() == [10, 4, 1]
    assert len(kept) == 135


def test_same_seed_same_choice_other_seed_another():
    first, again, other = (stratified_holdout(LABELS, 0.1, seed)[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_remainders_add_up_to_the_total():
    # Ten classes of 15, a tenth: 1.5 each. 15 in all: five give two, five give one.
    labels = np.repeat(np.arange(10), 15)
    _, held_out = stratified_holdout(labels, 0.1, seed=0)
    assert sorted(np.bincount(labels[held_out]).tolist()) == [1] * 5 + [2] * 5


def test_a_class_of_one_is_kept():
    kept, held_out = stratified_holdout(np.array([0, 0, 0, 0, 1]), 0.5, seed=0)
    assert 4 in kept
    assert len(held_out) == 2


def test_nothing_is_held_out_of_a_fraction_of_nothing():
    kept, held_out = stratified_holdout(LABELS, 0.0, seed=0)
    assert (len(kept), len(held_out)) == (150, 0)


def test_fractions_outside_are_refused():
    with pytest.raises(ValueError, match="fraction"):
        stratified_holdout(LABELS, 1.0, seed=0)


@given(
    st.lists(st.integers(0, 5), max_size=60),
    st.floats(0, 0.99),
    st.integers(-(2**70), 2**70),
)
def test_every_index_is_on_one_side(labels, fraction, seed):
    kept, held_out = stratified_holdout(np.array(labels, int), fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(len(labels)))
