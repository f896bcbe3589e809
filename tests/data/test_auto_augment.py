from __future__ import annotations

import numpy as np
import pytest

from reszoo.data.augment import auto_augment
from reszoo.data.augment.image_ops import OPERATIONS
from reszoo.data.seeded_random import Draws
from reszoo.spec.augmentation import RandAugment

SIZE = (200, 100)


def drawn(count: int, layers: int) -> np.ndarray:
    return Draws(0, 0)(np.arange(count), auto_augment.auto_augment_columns(layers))


def one(name: str, *, magnitude: float, positive: bool = True, **fields: object) -> float:
    """The strength that RandAugment gives one operation."""
    choice = (auto_augment.RANDAUGMENT.index(name) + 0.5) / len(auto_augment.RANDAUGMENT)
    recipe = RandAugment(layers=1, magnitude=magnitude, probability=1.0, **fields)
    draws = np.array([choice, 0.0, 0.9 if positive else 0.1, 0.5])
    [(found, strength)] = auto_augment.randaugment_steps(recipe, draws, SIZE)
    assert found == name
    return strength


@pytest.mark.parametrize(
    ("name", "at_7", "at_10", "negative_at_10"),
    [
        # Level functions of timm/data/auto_augment.py with inc1: x/10 of the greatest.
        ("rotate", 21, 30, -30),
        ("shear_x", 0.21, 0.3, -0.3),
        ("shear_y", 0.21, 0.3, -0.3),
        ("translate_x", 0.45 * 100 * 0.7, 45, -45),
        ("translate_y", 0.45 * 200 * 0.7, 90, -90),
        ("brightness", 1.63, 1.9, 0.1),
        ("contrast", 1.63, 1.9, 0.1),
        ("colour", 1.63, 1.9, 0.1),
        ("sharpness", 1.63, 1.9, 0.1),
        ("posterize", 2, 0, 0),
        ("solarize", 256 - 179, 0, 0),
        ("solarize_add", 77, 110, 110),
    ],
)
def test_strengths_are_timms(name, at_7, at_10, negative_at_10):
    assert one(name, magnitude=7.0) == pytest.approx(at_7)
    assert one(name, magnitude=10.0) == pytest.approx(at_10)
    assert one(name, magnitude=10.0, positive=False) == pytest.approx(negative_at_10)


def test_as_first_published_some_operations_weaken_with_the_strength():
    assert one("posterize", magnitude=10.0, increasing=False) == 4
    assert one("solarize", magnitude=10.0, increasing=False) == 256
    assert one("brightness", magnitude=10.0, increasing=False) == pytest.approx(1.9)
    assert one("brightness", magnitude=0.0, increasing=False) == pytest.approx(0.1)


def test_every_operation_comes_equally_often_and_half_are_carried_out():
    recipe = RandAugment(layers=3, magnitude=5.0)
    steps = [auto_augment.randaugment_steps(recipe, row, SIZE) for row in drawn(4000, 3)]
    names = [name for own in steps for name, _ in own]
    # Of 12,000 half: 6,000 with standard deviation 55; 400 of each with standard deviation 20.
    assert abs(len(names) - 6000) < 250
    counts = [names.count(name) for name in auto_augment.RANDAUGMENT]
    assert min(counts) > 310 and max(counts) < 490
    # How many are carried out is binomial: one of eight images gets none.
    assert abs(np.mean([not own for own in steps]) - 1 / 8) < 0.025


def test_strengths_vary_as_asked_and_stay_within_bounds():
    recipe = RandAugment(layers=2, magnitude=9.0, deviation=0.5, probability=1.0)
    steps = [
        step for row in drawn(4000, 2) for step in auto_augment.randaugment_steps(recipe, row, SIZE)
    ]
    turns = np.abs([strength for name, strength in steps if name == "rotate"]) / 3
    assert turns.max() == pytest.approx(10.0)
    assert abs(np.median(turns) - 9.0) < 0.1
    assert abs(np.quantile(turns, 0.159) - 8.5) < 0.15
    signs = np.sign([strength for name, strength in steps if name == "rotate"])
    assert abs(signs.mean()) < 0.15


def test_layers_are_drawn_apart():
    recipe = RandAugment(layers=2, probability=1.0)
    steps = [auto_augment.randaugment_steps(recipe, row, SIZE) for row in drawn(2000, 2)]
    same = np.mean([first[0] == second[0] for first, second in steps])
    assert abs(same - 1 / 15) < 0.03
    # A layer more does not change the first ones.
    three = RandAugment(layers=3, probability=1.0)
    again = [auto_augment.randaugment_steps(three, row, SIZE)[:2] for row in drawn(50, 3)]
    assert again == steps[:50]


@pytest.mark.parametrize(
    ("name", "weakest", "strongest"),
    [
        # torchvision's TrivialAugmentWide._augmentation_space.
        ("rotate", 0, 135),
        ("shear_x", 0, 0.99),
        ("shear_y", 0, 0.99),
        ("translate_x", 0, 32),
        ("translate_y", 0, 32),
        ("brightness", 1, 1.99),
        ("colour", 1, 1.99),
        ("contrast", 1, 1.99),
        ("sharpness", 1, 1.99),
        ("posterize", 8, 2),
        ("solarize", 255, 0),
    ],
)
def test_trivial_augments_strengths_are_torchvisions(name, weakest, strongest):
    choice = (auto_augment.TRIVIAL_AUGMENT.index(name) + 0.5) / len(auto_augment.TRIVIAL_AUGMENT)
    for draw, expected in ((0.0, weakest), (0.999, strongest)):
        steps = auto_augment.trivial_augment_steps(np.array([choice, 0.9, 0.9, draw]))
        assert steps == [(name, pytest.approx(expected))]


def test_trivial_augment_draws_one_of_31_strengths():
    steps = [auto_augment.trivial_augment_steps(row)[0] for row in drawn(6000, 1)]
    assert {name for name, _ in steps} == set(auto_augment.TRIVIAL_AUGMENT)
    turns = {round(abs(strength), 6) for name, strength in steps if name == "rotate"}
    assert turns == {round(135 * place / 30, 6) for place in range(31)}


def test_every_operation_is_there():
    assert set(auto_augment.RANDAUGMENT) | set(auto_augment.TRIVIAL_AUGMENT) <= set(OPERATIONS)
