"""The lesion study: closed blocks, resuming, and the pruned network."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import reszoo
from reszoo.errors import UserError
from reszoo.inference.trained import load_trained
from reszoo.model.net2net.remove_blocks import remove_blocks
from reszoo.studies import lesion, lesion_study
from reszoo.studies.lesioned_network import Change, LesionedNetwork, combinations
from reszoo.studies.studied_network import open_network
from tests.studies.conftest import tiny


@pytest.mark.parametrize("connection", ["residual", "highway"])
def test_a_closed_block_is_a_missing_one(saved, data, connection):
    network = open_network(saved(connection), data=data)
    lesioned = LesionedNetwork(network)
    pixels = data[0].astype(np.float32)
    change = Change("block", 1, frozenset({1}), tuple(range(5)))
    closed = lesioned.finish(lesioned.start(pixels), 0, change)
    model, spec = remove_blocks(network.model, network.trained.spec, [(1, 2)])
    assert [stage.depth for stage in spec.stages] == [2, 2]
    assert spec.name == f"{network.trained.spec.name}_pruned"
    np.testing.assert_allclose(closed, model(pixels), rtol=1e-4, atol=1e-4)


def test_accuracies_are_those_of_the_network_and_its_blocks(saved, data, tmp_path):
    result = lesion(saved("residual"), data=data, out=tmp_path / "l")
    intact = reszoo.evaluate(saved("residual"), data, split="train").accuracy
    assert result.table.rows[0].accuracy == pytest.approx(intact)
    singles = result.table.where(kind="block")
    assert singles.column("blocks")[:2] == ("stage1.block1", "stage1.block2")
    assert len(singles) == 5 and len(result.table.where(kind="pair")) == 10
    assert {row.count for row in result.table.where(kind="random")} == {1, 2, 3, 4, 5}
    assert (tmp_path / "l" / "pairs.svg").exists()


def test_what_was_measured_before_a_kill_is_not_measured_again(saved, data, tmp_path, monkeypatch):
    counted = []
    measure = lesion_study._accuracy

    def count(*arguments):
        counted.append(1)
        if len(counted) == 4:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(lesion_study, "_accuracy", count)
    with pytest.raises(KeyboardInterrupt):
        lesion(saved("residual"), data=data, out=tmp_path / "l")
    resumed = lesion(saved("residual"), data=data, out=tmp_path / "l")
    whole = lesion(saved("residual"), data=data, out=tmp_path / "other")
    assert resumed.table == whole.table
    combinations = sum(row.kind in ("pair", "random", "shuffle") for row in whole.table) + 1
    assert len(counted) == 2 * combinations + 1


def test_the_pruned_network_is_saved_with_its_spec(saved, data, tmp_path):
    file = tmp_path / "pruned.keras"
    result = lesion(saved("residual"), data=data, write=file, max_drop=100, out=tmp_path / "l")
    pruned = load_trained(file)
    assert [stage.depth for stage in pruned.spec.stages] == [1, 1]
    assert pruned.classes[0] == "digit 0"
    assert str(file) in result.findings[-1]
    assert reszoo.cost(pruned.spec).parameters < 2000


@pytest.mark.parametrize("connection", ["residual", "highway"])
def test_no_set_of_blocks_is_drawn_twice(saved, data, connection):
    blocks = open_network(saved(connection), data=data).blocks
    for closable in ([0, 1, 2], [0, 1, 2, 3, 4]):
        changes = combinations(blocks, closable, np.random.default_rng(0))
        sets = [c.closed for c in changes if c.kind == "random"]
        orders = [(c.count, c.order) for c in changes if c.kind == "shuffle"]
        assert len(sets) == len(set(sets)) and len(orders) == len(set(orders))
    single = [c for c in combinations(blocks, [0, 1, 2], np.random.default_rng(0)) if c.count == 1]
    assert [set(c.closed) for c in single if c.kind == "random"] == [{0}, {1}, {2}]
    assert all(c.complete for c in single if c.kind == "random")


def test_findings_say_whether_all_sets_were_measured(saved, data, tmp_path):
    stages = [{"depth": 1, "width": 4}, {"depth": 2, "width": 4}]
    path = tmp_path / "three.keras"
    spec = tiny("residual", stages=stages)
    reszoo.save_model(reszoo.build(spec, seed=3), path, spec=spec)
    text = "\n".join(lesion(path, data=data, out=tmp_path / "three").findings)
    assert "1 block closed, in all 3 ways: " in text
    text = "\n".join(lesion(saved("residual"), data=data, out=tmp_path / "five").findings)
    assert "1 block closed, drawn 3 times: " in text


def test_an_error_of_the_pruning_comes_after_the_study_and_names_a_drop_that_works(
    saved, data, tmp_path
):
    file = tmp_path / "p.keras"
    options = {"data": data, "write": file, "out": tmp_path / "l"}
    with pytest.raises(UserError, match="cost more than -200 points") as error:
        lesion(saved("residual"), max_drop=-200, **options)
    assert (tmp_path / "l" / "figure.png").exists() and not file.exists()
    assert f"{file} was not written" in (tmp_path / "l" / "summary.md").read_text()
    least = float(error.value.hint.removeprefix("--max-drop "))
    assert error.value.expected == f"{least:.1f} points or more"
    lesion(saved("residual"), max_drop=least, **options)
    assert file.exists()
    with pytest.raises(UserError, match="no name of a network"):
        lesion(saved("residual"), data=data, write=tmp_path / "p.h5")


def test_a_file_that_the_study_did_not_write_is_not_replaced(saved, data, tmp_path):
    file = tmp_path / "p.keras"
    options = {"data": data, "write": file, "max_drop": 100, "out": tmp_path / "l"}
    shutil.copy(saved("plain"), file)
    before = file.read_bytes()
    with pytest.raises(UserError, match="not a network that this study wrote") as error:
        lesion(saved("residual"), **options)
    assert error.value.hint.endswith(f"--write {tmp_path / 'p_2.keras'}")
    assert file.read_bytes() == before and not (tmp_path / "l").exists()
    file.unlink()
    for _ in range(2):
        lesion(saved("residual"), **options)
    assert file.read_bytes() != before


def test_a_net_with_one_block_in_each_stage_cannot_be_pruned(data, tmp_path):
    path = tmp_path / "single.keras"
    spec = tiny("residual", stages=[{"depth": 1, "width": 4}, {"depth": 1, "width": 4}])
    reszoo.save_model(reszoo.build(spec, seed=3), path, spec=spec)
    with pytest.raises(UserError, match="no block of tiny_residual can be removed"):
        lesion(path, data=data, write=tmp_path / "p.keras", max_drop=99, out=tmp_path / "l")
    assert not (tmp_path / "l").exists()


def test_plain_nets_have_nothing_to_close(saved, data):
    with pytest.raises(UserError, match="no shortcuts"):
        lesion(saved("plain"), data=data)
