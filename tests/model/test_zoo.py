"""Every plan of the zoo has the shapes and counts of Keras's layers."""

from __future__ import annotations

import keras
import pytest

from reszoo.model.build import build_canonical
from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.spec import load
from tests.model.test_build import check_rows
from tests.zoo import networks

_DEEP = 100
"""Layers from which on building takes seconds; their blocks are those of shallower nets."""


@pytest.mark.parametrize("name", networks(_DEEP))
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
