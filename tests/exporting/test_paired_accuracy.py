"""McNemar's p and the interval of a drop of accuracy, against independent computations."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy.stats import norm

from reszoo.exporting.paired_accuracy import drop_interval, mcnemar_p


def exact_p(became_wrong: int, became_right: int) -> Fraction:
    """Twice the smaller tail of the binomial distribution, in whole numbers."""
    changed = became_wrong + became_right
    tail = sum(comb(changed, count) for count in range(min(became_wrong, became_right) + 1))
    return min(Fraction(1), Fraction(2 * tail, 2**changed))


@pytest.mark.parametrize(
    ("became_wrong", "became_right"),
    [(0, 0), (1, 0), (0, 5), (7, 4), (4, 7), (12, 12), (63, 31), (400, 310), (5_000, 4_800)],
)
def test_mcnemar_p_is_the_exact_binomial_sum(became_wrong: int, became_right: int) -> None:
    expected = float(exact_p(became_wrong, became_right))
    assert mcnemar_p(became_wrong, became_right) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_p_of_one_sided_changes_is_a_power_of_two() -> None:
    # 2 * (1/2)^6
    assert mcnemar_p(6, 0) == mcnemar_p(0, 6) == pytest.approx(1 / 32)


def agresti_min(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval as printed in the paper, for tables (cells, draws) of right and wrong."""
    cells = table + 0.5
    total = cells.sum(axis=0)
    _, wrong, right, _ = cells
    variance = (wrong + right - (wrong - right) ** 2 / total) / total**2
    width = norm.ppf(0.975) * np.sqrt(variance)
    return (wrong - right) / total - width, (wrong - right) / total + width


@pytest.mark.parametrize(
    ("images", "lost", "won"),
    [(100, 0.02, 0.01), (360, 0.01, 0.001), (1000, 0.02, 0.01), (10_000, 0.005, 0.004)],
)
def test_interval_covers_the_true_drop_in_95_of_100_samples(
    images: int, lost: float, won: float
) -> None:
    cells = [0.9 - lost, lost, won, 0.1 - won]
    tables = np.random.default_rng(0).multinomial(images, cells, 4_000).T
    intervals = np.array(
        [drop_interval(int(wrong), int(right), images) for _, wrong, right, _ in tables.T]
    )
    np.testing.assert_allclose(intervals.T, agresti_min(tables), atol=1e-9)
    covered = (intervals[:, 0] <= lost - won) & (lost - won <= intervals[:, 1])
    # 4,000 samples are uncertain by 0.7 points at two standard errors.
    assert covered.mean() > 0.95 - 0.007


def test_interval_has_a_width_where_nothing_changed_and_is_symmetric() -> None:
    low, high = drop_interval(0, 0, 1000)
    assert low == -high and 0 < high < 0.003
    assert drop_interval(3, 8, 200) == tuple(-end for end in reversed(drop_interval(8, 3, 200)))
