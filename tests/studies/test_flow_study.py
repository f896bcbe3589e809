"""The flow study: signals that pass, vanish and explode, of specs and of runs."""

from __future__ import annotations

import pytest

import reszoo
from reszoo.errors import UserError
from reszoo.runs.checkpoint_listing import list_checkpoints
from reszoo.studies import flow
from tests.studies.conftest import tiny


def deep(std: float):
    initial = {"kernel": {"kind": "normal", "std": std}}
    stages = [{"depth": 10, "width": 8}]
    return tiny("plain", norm="none", initializers=initial, stages=stages).model_copy(
        update={"name": f"deep{std}"}
    )


def test_small_weights_let_the_signal_vanish_and_large_ones_explode(tmp_path):
    result = flow([deep(0.01), deep(1.0)], limit=8, out=tmp_path / "f")
    small, large = result.findings
    assert "activations vanish and gradients vanish" in small
    assert "activations explode and gradients explode" in large
    assert len(result.table.where(network="deep0.01")) == 11  # The stem and ten blocks.


def test_normalisation_lets_it_pass(tmp_path):
    result = flow(tiny("plain"), limit=16, out=tmp_path / "f")
    assert "the signal passes" in result.findings[0]


def test_a_run_is_measured_at_the_start_at_each_checkpoint_and_trained(tmp_path, data):
    run = reszoo.train(
        tiny("residual"), data, epochs=2, seed=1, out=tmp_path / "run", test=False, quiet=True
    )
    result = flow(run, data=data, limit=16)
    states = list(dict.fromkeys(result.table.column("state")))
    kept = [path.name for path in list_checkpoints(run.checkpoints)]
    assert len(kept) > 1 and states == ["initialisation", *kept[:-1], "trained"]
    assert result.folder == run.path / "study" / "flow"
    start = flow(tiny("residual"), data=data, seed=1, limit=16, out=tmp_path / "f")
    first, again = result.table.where(state="initialisation"), start.table
    assert first.column("block_number") == again.column("block_number")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        flow(tmp_path)
