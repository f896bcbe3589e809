"""The responses study against a direct computation."""

from __future__ import annotations

import keras
import numpy as np

import reszoo
from reszoo.studies import responses
from tests.studies.conftest import tiny


def test_a_response_is_the_deviation_after_the_norm_before_the_addition(saved, data, tmp_path):
    path = saved("residual")
    result = responses(path, data=data, out=tmp_path / "r")
    model = reszoo.load_model(path).model
    norm = model.get_layer("stage1_block2_norm2")
    values = np.asarray(keras.Model(model.input, norm.output)(data[0]))
    (row,) = result.table.where(row="stage1_block2_norm2").rows
    np.testing.assert_allclose(row.std, values.std(), rtol=1e-4)
    assert len(result.table) == 1 + 2 * 5  # The stem, and two of each block.


def test_a_blocks_change_is_the_quotient_of_norms_and_the_cosine(saved, data, tmp_path):
    path = saved("residual")
    result = responses(path, data=data, out=tmp_path / "r")
    model = reszoo.load_model(path).model
    names = ("stem_activation", "stage1_block1_norm2", "stage1_block1_merge_activation")
    layers = [model.get_layer(name).output for name in names]
    x, h, y = (np.asarray(v).reshape(60, -1) for v in keras.Model(model.input, layers)(data[0]))
    first = result.tables["blocks"].rows[0]
    length = np.linalg.norm
    ratio = (length(h, axis=1) / length(x, axis=1)).mean()
    cosine = ((x * y).sum(axis=1) / length(x, axis=1) / length(y, axis=1)).mean()
    np.testing.assert_allclose(
        (first.residual_to_shortcut, first.cosine), (ratio, cosine), rtol=1e-4
    )


def test_means_that_are_about_equal_are_not_ranked(data, tmp_path):
    paths = []
    for name in ("one", "another"):
        spec = tiny("residual").model_copy(update={"name": name})
        paths.append(tmp_path / f"{name}.keras")
        model = reszoo.build(spec, seed=3)
        reszoo.save_model(model, paths[-1], spec=spec, classes=list("0123456789"))
    *_, last = responses(paths, data=data, limit=10, out=tmp_path / "r").findings
    assert last.startswith("The mean responses differ little, from")


def test_several_networks_are_compared(saved, data, tmp_path):
    result = responses([saved("residual"), saved("plain")], data=data, out=tmp_path / "r")
    assert set(result.table.column("network")) == {"tiny_residual", "tiny_plain"}
    assert "smallest mean response" in result.findings[-1]
    plain = result.tables["blocks"].where(network="tiny_plain")
    assert set(plain.column("residual_to_shortcut")) == {None}
