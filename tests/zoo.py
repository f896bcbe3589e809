"""Parametrisations over the zoo's networks of which a quick run takes a part."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from reszoo.planning.golden import known_cost
from reszoo.spec import load, names_of

_NOT_OF_THE_NETWORK = {"name", "title", "source", "published", "weights", "initializers"}


def networks(deepest: float = float("inf")) -> list[Any]:
    """Returns the names of all networks, for `pytest.mark.parametrize`.

    Quick are those that say something which no shallower one says: another word in a field, a
    switch set otherwise. All others are slow, and so are those with more layers than `deepest`.
    """
    quick = {name for name, depth in _first_to_say_something().items() if depth <= deepest}
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow)
        for name in names_of("architecture")
    ]


@cache
def _first_to_say_something() -> dict[str, int]:
    """Depth by name."""
    specs = [(known_cost(spec).depth, spec) for spec in map(load, names_of("architecture"))]
    said: set[tuple[Any, ...]] = set()
    found = {}
    for depth, spec in sorted(specs, key=lambda pair: pair[0]):
        words = set(_words(spec.model_dump(exclude=_NOT_OF_THE_NETWORK)))
        if not words <= said:
            found[spec.name] = depth
        said |= words
    return found


def _words(value: Any, *path: str) -> Iterator[tuple[Any, ...]]:
    """The fields, without places in lists, that hold a word, a switch or nothing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _words(inner, *path, name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner, *path)
    elif value is None or isinstance(value, str | bool):
        yield (*path, value)
