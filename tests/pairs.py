"""Parametrisations of which a quick run takes a part, with every pair of values or each value."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest


def product_by_pairs(*choices: Iterable[Any]) -> list[Any]:
    """Returns the product of the choices, for `pytest.mark.parametrize`.

    A fault nearly always needs one value or two that meet. So the fewest combinations, found
    greedily, in which every two values meet stay quick; all others are marked slow.
    """
    combinations = list(itertools.product(*choices))
    left = {pair for combination in combinations for pair in _pairs(combination)}
    quick = set()
    while left:
        best = max(combinations, key=lambda one: len(left.intersection(_pairs(one))))
        quick.add(best)
        left.difference_update(_pairs(best))
    return [
        pytest.param(*one, marks=() if one in quick else pytest.mark.slow) for one in combinations
    ]


def product_by_turns(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """Returns the product of the choices, for `pytest.mark.parametrize`.

    Quick is each of the others with one of the first, in turn: for what another test shows in
    pairs, or what differs little between the first.
    """
    one = list(one)
    return [
        pytest.param(
            first, second, marks=() if first == one[number % len(one)] else pytest.mark.slow
        )
        for first in one
        for number, second in enumerate(other)
    ]


def _pairs(combination: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return list(itertools.combinations(enumerate(combination), 2))
