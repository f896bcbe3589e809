"""The gates study against a direct computation, and what it refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import reszoo
from reszoo.errors import UserError
from reszoo.studies import gates


def test_means_by_unit_are_those_of_the_gates_layer(saved, data, tmp_path):
    path = saved("highway")
    result = gates(path, data=data, out=tmp_path / "gates")
    model = reszoo.load_model(path).model
    layer = model.get_layer("stage1_block2_transform_gate_sigmoid")
    values = np.asarray(keras.Model(model.input, layer.output)(data[0]))
    own = result.table.where(stage=1, block=2)
    np.testing.assert_allclose(own.column("mean"), values.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(own.column("single"), values[0].mean(axis=(0, 1)), rtol=1e-5)
    assert set(own.column("bias")) == {-1.0}
    assert len(result.tables["layers"]) == 5
    for name in ("figure", "classes", "layers", "maps"):
        assert (tmp_path / "gates" / f"{name}.svg").exists()


def test_gates_that_open_for_one_class_are_found(saved, tmp_path):
    images = np.zeros((60, 8, 8, 1), np.uint8)
    labels = np.arange(60) % 10
    images[labels == 3] = 255
    result = gates(saved("highway"), data=(images, labels), out=tmp_path / "g", classes=["digit 3"])
    layers = result.tables["layers"].rows
    assert all(layer.class_difference > 2 * layer.chance for layer in layers)
    assert any("differs between classes up to block 5 of 5" in text for text in result.findings)


def test_a_residual_net_shows_the_share_of_what_is_added(saved, data, tmp_path):
    result = gates(saved("residual"), data=data, out=tmp_path / "g")
    assert all(0 <= unit.mean <= 1 and unit.bias is None for unit in result.table)
    assert "share of H" in result.findings[0]


def test_a_plain_net_is_told_which_studies_fit_it(saved, data, tmp_path):
    with pytest.raises(UserError, match="no gates") as error:
        gates(saved("plain"), data=data, out=tmp_path / "g")
    assert error.value.hint == "studies that fit it: flow, responses"
    assert not (tmp_path / "g").exists()


def test_a_class_that_does_not_exist_is_refused(saved, data, tmp_path):
    with pytest.raises(UserError, match="no class 'digit 12'") as error:
        gates(saved("highway"), data=data, classes=["digit 12"], out=tmp_path / "g")
    assert "digit 1" in error.value.hint
