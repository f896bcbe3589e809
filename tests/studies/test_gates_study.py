"""The gates study against a direct computation, and what it refuses."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

import reszoo
from reszoo.errors import UserError
from reszoo.studies import gates, gates_figures
from tests.studies.conftest import tiny


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
    assert any(
        "differs between classes in blocks as late as 5 of 5" in text for text in result.findings
    )


def test_a_residual_net_shows_the_share_of_what_is_added(saved, data, tmp_path):
    result = gates(saved("residual"), data=data, out=tmp_path / "g")
    assert all(0 <= unit.mean <= 1 and unit.bias is None for unit in result.table)
    assert "share of H" in result.findings[0]


@pytest.mark.parametrize(("channels", "units"), [("after", (1, 2, 3, 4)), ("both", (2, 3, 4, 5))])
def test_channels_that_a_shortcut_pads_have_no_share(channels, units, data, tmp_path):
    block = {"transform": "basic", "connection": "residual"}
    shortcut = {"kind": "zero_pad", "channels": channels}
    spec = tiny("residual", block=block | {"shortcut": shortcut})
    path = tmp_path / "padded.keras"
    reszoo.save_model(reszoo.build(spec, seed=3), path, spec=spec, classes=list("0123456789"))
    result = gates(path, data=data, out=tmp_path / "g")
    assert result.table.where(stage=2, block=1).column("unit") == units
    layer = result.tables["layers"].where(stage=2, block=1).rows[0]
    assert layer.mean < 0.9 and math.isfinite(layer.class_difference + layer.variation)


def test_a_plain_net_is_told_which_studies_fit_it(saved, data, tmp_path):
    with pytest.raises(UserError, match="no gates") as error:
        gates(saved("plain"), data=data, out=tmp_path / "g")
    assert error.value.hint == "studies that fit it: flow, responses"
    assert not (tmp_path / "g").exists()


def test_a_class_that_does_not_exist_is_refused(saved, data, tmp_path):
    with pytest.raises(UserError, match="no class 'digit 12'") as error:
        gates(saved("highway"), data=data, classes=["digit 12"], out=tmp_path / "g")
    assert "digit 1" in error.value.hint


def test_a_class_without_an_image_is_grey_and_named_so(saved, data, tmp_path, monkeypatch):
    drawn = []

    def record(maps, **settings):
        drawn.extend(maps)
        return heat_maps(maps, **settings)

    heat_maps = gates_figures.heat_maps
    monkeypatch.setattr(gates_figures, "heat_maps", record)
    images, _ = data
    gates(saved("highway"), data=(images, np.arange(60) % 2), out=tmp_path / "g", limit=5)
    (missing,) = [m for m in drawn if m.title == "No image of class digit 7 among 5"]
    assert np.isnan(missing.values).all()


def test_a_class_without_an_image_cannot_be_asked_for(saved, data, tmp_path):
    with pytest.raises(UserError, match="none of the 5 images is of class 'digit 7'") as error:
        gates(saved("highway"), data=data, classes=["digit 7"], limit=5, out=tmp_path / "g")
    assert "--limit" in error.value.hint
    assert not (tmp_path / "g").exists()
