"""The studies that train one network after the other, on two tiny nets."""

from __future__ import annotations

import json

import numpy as np
import pytest

import reszoo
from reszoo.errors import UserError
from reszoo.studies import boosting, deepen
from tests.studies.conftest import tiny


def weights_of(path):
    model = reszoo.load_model(path).model
    return {weight.path: np.asarray(weight) for weight in model.weights}


@pytest.mark.slow
def test_each_block_is_trained_alone_and_the_whole_for_as_many_epochs(tmp_path):
    base = tiny("residual", stages=[{"depth": 2, "width": 4}, {"depth": 1, "width": 4}])
    result = boosting(base, data="digits", epochs=1, out=tmp_path / "b")
    assert result.table.column("blocks") == (2, 3, 3)
    assert result.table.column("appended") == ("", "stage1.block2", "")
    assert result.table.column("epochs") == (1, 2, 2)
    runs = tmp_path / "b" / "runs"
    before, after = (weights_of(runs / f"blocks_{n}" / "model.keras") for n in (1, 2))
    changed = {path for path in after if not np.array_equal(after[path], before.get(path, 0))}
    assert changed and all("stage1_block2" in path for path in changed)


@pytest.mark.slow
def test_the_constructed_net_starts_where_the_original_ended(tmp_path):
    run = reszoo.train(tiny("residual"), "digits", epochs=1, out=tmp_path / "run", quiet=True)
    result = deepen(run, depths=[4, 2])
    original, constructed, scratch = result.table.rows
    assert constructed.start_accuracy == pytest.approx(reszoo.evaluate(run).accuracy)
    assert (original.depth, constructed.depth, scratch.depth) == (12, 14, 14)
    info = json.loads((run.path / "study" / "deepen" / "study.json").read_text())
    assert info["state"] == "finished"
    assert "After 1 further epoch, on top of the original's 1," in result.findings[1]
    with pytest.raises(UserError) as error:
        deepen(run, depths=[3, 3])
    assert (error.value.expected, error.value.found) == ("depths 4,2", "depths 3,3")


def test_a_refused_depth_leaves_nothing_in_the_way(tmp_path, data):
    run = reszoo.train(
        tiny("residual"), data, epochs=1, out=tmp_path / "run", test=False, quiet=True
    )
    with pytest.raises(UserError):
        deepen(run, depths=[1, 1], data=data)
    assert not (run.path / "study").exists()


def test_a_net_with_one_block_in_each_stage_has_nothing_to_append(tmp_path):
    with pytest.raises(UserError, match="no blocks to append"):
        boosting("resnet8_digits", out=tmp_path / "b")
