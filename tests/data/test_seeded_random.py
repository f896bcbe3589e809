from __future__ import annotations

import numpy as np

from reszoo.data.seeded_random import Draws, example_keys


def test_draws_are_a_pure_function_of_seed_epoch_and_index():
    indices = np.array([5, 0, 7])
    draws = Draws(3, 2)(indices)
    np.testing.assert_array_equal(Draws(3, 2)(indices[1:]), draws[1:])
    np.testing.assert_array_equal(Draws(3, 2)(indices, slice(2, 4)), draws[:, 2:4])
    for other in (Draws(4, 2)(indices), Draws(3, 1)(indices)):
        assert not np.isin(other, draws).any()


def test_draws_are_uniform_and_uncorrelated():
    draws = Draws(0, 0)(np.arange(20_000))
    assert draws.min() >= 0
    assert draws.max() < 1
    # Standard errors: 0.289 / sqrt(20,000) = 0.002 of a mean, 0.007 of a correlation.
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 0.01
    both = np.concatenate([draws[:-1], draws[1:], Draws(0, 1)(np.arange(19_999))], axis=1)
    correlation = np.corrcoef(both, rowvar=False) - np.eye(both.shape[1])
    assert np.abs(correlation).max() < 0.035


def test_any_seed_is_taken():
    for seed in (-1, 2**63, 2**80):
        assert Draws(seed, 0)(np.arange(3)).shape == (3, 7)


def test_repeats_of_an_example_are_drawn_anew():
    indices = np.arange(50)
    draws = [Draws(3, 2)(example_keys(indices, repeat)) for repeat in range(3)]
    np.testing.assert_array_equal(draws[0], Draws(3, 2)(indices))
    assert not np.isin(draws[1], draws[0]).any()
    assert not np.isin(draws[2], draws[1]).any()


def test_tensorflow_draws_the_same_numbers():
    keys = example_keys(np.array([0, 5, 1_281_166]), np.array([0, 2, 1]))
    for seed, epoch in ((0, 0), (-7, 3), (2**64 + 1, 599)):
        drawn = Draws(seed, epoch).tensor(keys, slice(3, 40)).numpy()
        np.testing.assert_array_equal(drawn, Draws(seed, epoch)(keys, slice(3, 40)))
