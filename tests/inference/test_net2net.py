"""A run or a file is deepened or widened, verified, saved, and trained further."""

import keras
import numpy as np
import pytest

import reszoo
from reszoo.errors import GateError, UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.trained import load_trained
from reszoo.model.build import build
from reszoo.model.net2net.deepen import deepen_model
from reszoo.model.saving import save_model
from reszoo.training.train import train
from tests.training.samples import SHORT, TINY, bar_data

PLAIN = TINY.model_copy(update={"block": TINY.block.model_copy(update={"connection": "plain"})})


def test_a_deepened_run_computes_the_same_and_trains_further(tmp_path, reference):
    out = tmp_path / "deeper.keras"
    deeper = reszoo.deepen(reference.path, [3], out=out, seed=1)
    assert (deeper.gate, deeper.classes) == (None, ("0", "1", "2"))
    assert deeper.difference <= 1e-6
    before, after = (evaluate(path, bar_data()) for path in (reference.path, out))
    assert after.loss == pytest.approx(before.loss, rel=1e-5)
    assert after.confusion == before.confusion
    recipe = SHORT.model_copy(update={"epochs": 1})
    run = train(start=out, data=bar_data(), recipe=recipe, out=tmp_path / "run", quiet=True)
    assert run.architecture().stages[0].depth == 3
    assert run.info["start"] == {"source": str(out), "new_layers": []}
    assert evaluate(run, bar_data()).accuracy >= before.accuracy - 0.1
    gamma = load_trained(run).model.get_layer("stage1_block3_norm2").gamma.numpy()
    assert np.any(gamma)


def test_a_refusal_leaves_no_file(tmp_path, reference):
    out = tmp_path / "deeper.keras"
    for target, depths, reason in (
        (reference.path, [1], "as deep already"),
        (reference.path, [2, 2], "has 1 stages"),
        (tmp_path / "none.keras", [2], "there is no"),
        (build(TINY), [2], "has no spec"),
    ):
        with pytest.raises(UserError, match=reason):
            reszoo.deepen(target, depths, out=out)
    save_model(build(PLAIN), tmp_path / "plain.keras", spec=PLAIN)
    with pytest.raises(UserError, match="no shortcut that passes x"):
        reszoo.deepen(tmp_path / "plain.keras", [2], out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["plain.keras"]


def test_a_deeper_network_of_another_function_is_not_saved(tmp_path, reference, monkeypatch):
    deepen = deepen_model

    def broken(model, spec, depths, **options):
        deeper = deepen(model, spec, depths, **options)
        layer = deeper.model.get_layer("stage1_block2_norm2")
        layer.gamma.assign(keras.ops.ones_like(layer.gamma))
        return deeper

    monkeypatch.setattr("reszoo.inference.net2net.deepen_model", broken)
    with pytest.raises(GateError, match="does not compute the same function"):
        reszoo.deepen(reference.path, [2], out=tmp_path / "deeper.keras", seed=1)
    assert not list(tmp_path.iterdir())


def test_a_widened_run_computes_the_same_and_trains_further(tmp_path, reference):
    out = tmp_path / "wider.keras"
    wider = reszoo.widen(reference.path, 3, out=out, seed=1)
    assert wider.difference <= 1e-5
    assert wider.spec.stages[0].width == 12
    before, after = (evaluate(path, bar_data()) for path in (reference.path, out))
    assert after.loss == pytest.approx(before.loss, rel=1e-4)
    recipe = SHORT.model_copy(update={"epochs": 1})
    run = train(start=out, data=bar_data(), recipe=recipe, out=tmp_path / "run", quiet=True)
    kernel = load_trained(run).model.get_layer("stage1_block1_conv1").kernel.numpy()
    assert np.abs(kernel[..., 0] - kernel[..., 1]).max() > 1e-3
    with pytest.raises(UserError, match="a factor of 2 or more"):
        reszoo.widen(reference.path, 1)
