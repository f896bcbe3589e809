"""Quantization-aware training: ranges learn, and runs resume bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.folding import fold
from reszoo.inference.net2net import deepen, widen
from reszoo.inference.predict import predict
from reszoo.inference.trained import load_trained
from reszoo.model.quantized_model import learned_limits
from reszoo.spec import load_recipe
from reszoo.training.train import resume, train
from tests.training.processes import four_cpus
from tests.training.samples import SHORT, TINY, bar_data, bars

QUANTIZE = load_recipe("quantize", ["batch=16", "epochs=3", "ema=0.8"])


@pytest.fixture(scope="module")
def source(reference):
    """The float run, of three classes."""
    return reference.path


def quantize(source, out, **changes):
    words = {"start": source, "data": bar_data(), "recipe": QUANTIZE, "out": out}
    return train(**(words | {"quiet": True, "seed": 7, "test": False} | changes))


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """An uninterrupted quantization-aware run."""
    return quantize(source, tmp_path_factory.mktemp("quantize") / "whole")


def test_ranges_and_kernels_learn(source, whole, tmp_path):
    first = quantize(source, tmp_path / "first", recipe_overrides=["schedule.peak=1e-12"])
    before, after = (learned_limits(load_trained(run).model) for run in (first, whole))
    assert before.keys() == after.keys()
    assert sum(before[name] != after[name] for name in before) > len(before) / 2
    kernels = [
        load_trained(run).model.get_layer("stem_conv").kernel.numpy() for run in (first, whole)
    ]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4


def test_a_stopped_run_resumes_bit_for_bit(source, whole, tmp_path, assert_equal_runs):
    run = quantize(source, tmp_path / "run", stop_after=1)
    assert_equal_runs(resume(run, data=bar_data(), quiet=True), whole)


def test_network_is_evaluated_and_predicts(whole):
    assert evaluate(whole, bar_data(), split="test").accuracy > 0.5
    images, _ = bars(4, seed=1)
    assert len(list(predict(whole, list(images)))) == 4


def test_a_quantized_run_goes_on_from_its_ranges(whole, tmp_path):
    again = quantize(whole.path, tmp_path / "again", recipe_overrides=["schedule.peak=1e-12"])
    before, after = (learned_limits(load_trained(run).model) for run in (whole, again))
    assert after == {name: pytest.approx(limits, abs=1e-6) for name, limits in before.items()}


def test_default_recipe_has_the_purpose_and_float32(source, tmp_path):
    run = quantize(source, tmp_path / "run", recipe=None, quantize="int8", epochs=1)
    assert (run.recipe().name, run.recipe().quantize) == ("quantize", "int8")
    run = quantize(
        source,
        tmp_path / "other",
        recipe=SHORT,
        quantize="int8",
        recipe_overrides=["precision=auto", "epochs=1", "optimizer.decay_norm_and_bias=true"],
    )
    assert run.recipe().precision == "float32"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": None, "spec": TINY}, "starts from a trained network"),
        ({"data": {"train": bars(60), "test": bars(9)}, "overrides": ["activation=gelu"]}, "int8"),
        ({"recipe_overrides": ["precision=mixed_bfloat16"]}, "precision float32"),
        ({"spec": "resnet8_digits"}, "brings its own architecture"),
    ],
)
def test_what_cannot_be_quantized_is_said_before_a_run_exists(source, tmp_path, changes, message):
    out = tmp_path / "run"
    with pytest.raises(UserError) as refused:
        quantize(source, out, **changes)
    assert message in f"{refused.value.what} {refused.value.expected}"
    assert not out.exists()


def test_a_new_head_is_not_quantized(source, tmp_path):
    images, labels = bars(80)
    with pytest.raises(UserError, match="the last layer is new"):
        quantize(source, tmp_path / "run", data={"train": (images, labels % 2)})


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda run: train(start=run, data=bar_data(), recipe=SHORT, quiet=True), "in float"),
        (lambda run: fold(run), "folded for fast inference"),
        (lambda run: deepen(run, [2]), "deepened or widened"),
        (lambda run: widen(run, 2), "deepened or widened"),
    ],
)
def test_what_needs_the_norms_is_refused(whole, tmp_path, monkeypatch, use, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as refused:
        use(whole)
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_sizes_share_their_ranges(source, tmp_path):
    overrides = ["input.train_size=12", "input.test_size=8"]
    run = quantize(
        source, tmp_path / "run", overrides=overrides, enlarge_small_images=True, epochs=1
    )
    assert evaluate(run, bar_data(), split="test").examples == 30


PROGRAM = """
    import numpy as np
    from reszoo.inference.trained import load_trained
    from reszoo.spec import load_recipe
    from reszoo.training.train import train
    from tests.training.samples import bar_data

    recipe = load_recipe("quantize", ["batch=16", "epochs=2"])
    run = train(start={start!r}, data=bar_data(), recipe=recipe, seed=7, out={out!r}, quiet=True,
                devices={devices!r})
    np.savez({out!r} + "/weights.npz", *load_trained(run).model.get_weights())
"""


@pytest.mark.slow
def test_two_replicas_train_as_one_does(source, tmp_path):
    weights = []
    on_four_cpus = four_cpus()
    for devices in ("cpu", "cpu:2"):
        out = tmp_path / devices.replace(":", "")
        on_four_cpus(PROGRAM.format(start=str(source), out=str(out), devices=devices))
        weights.append(np.load(out / "weights.npz"))
    on_four_cpus.close()
    one, two = weights
    for name in one.files:
        np.testing.assert_allclose(one[name], two[name], atol=2e-3, err_msg=name)
