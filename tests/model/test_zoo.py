"""Every plan of the zoo has the shapes and counts of Keras's layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import pytest

from reszoo.model.build import build_canonical
from reszoo.planning.cost import cost
from reszoo.planning.golden import known_cost
from reszoo.planning.network import plan
from reszoo.spec import load, names_of
from tests.model.test_build import check_rows

_DEEP = 100
"""Layers from which on building takes seconds; their blocks are those of shallower nets."""
_NOT_OF_THE_NETWORK = {"name", "title", "source", "published", "weights", "initializers"}


def _words(value: Any, *path: str) -> Iterator[tuple[Any, ...]]:
    """The fields of a spec, without places in lists, that hold a word, a switch or nothing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _words(inner, *path, name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner, *path)
    elif value is None or isinstance(value, str | bool):
        yield (*path, value)


def _networks() -> list[Any]:
    """The whole zoo; slow are deep nets, and those that say nothing that no shallower one says."""
    specs = [load(name) for name in names_of("architecture")]
    said: set[tuple[Any, ...]] = set()
    quick = set()
    for spec in sorted(specs, key=lambda spec: known_cost(spec).depth):
        words = set(_words(spec.model_dump(exclude=_NOT_OF_THE_NETWORK)))
        if not words <= said and known_cost(spec).depth <= _DEEP:
            quick.add(spec.name)
        said |= words
    marks = {True: (), False: pytest.mark.slow}
    return [pytest.param(spec.name, marks=marks[spec.name in quick]) for spec in specs]


@pytest.mark.parametrize("name", _networks())
def test_plan_says_what_keras_has_layer_by_layer(name: str) -> None:
    spec = load(name)
    rows = plan(spec)
    model = build_canonical(rows)
    check_rows(rows, model)
    total = cost(spec)
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    assert trainable == total.parameters
    assert model.count_params() == total.parameters + total.other_parameters
    assert model.input.shape[1:] == tuple(spec.input.shape)
    assert model.output.shape[1:] == (spec.classes,)
    assert model.output.dtype == "float32"
