"""Trained weights begin a training, frozen ones do not move, and unfreezing resumes exactly."""

import keras
import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.inference.trained import load_trained
from reszoo.model.build import build
from reszoo.model.saving import save_model
from reszoo.planning.network import plan
from reszoo.runs import Run
from reszoo.spec import from_mapping, override
from reszoo.training.freezing import freezing, param_groups, trainable_before
from reszoo.training.loop.loop import Loop
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data, bars

TUNE = SHORT.model_copy(update={"epochs": 4})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A network with uneven statistics, of four classes."""
    path = tmp_path_factory.mktemp("source") / "source.keras"
    spec = TINY.model_copy(update={"classes": 4})
    model = build(spec, seed=5)
    random = np.random.default_rng(3)
    for weight in model.weights:
        if weight.name in ("moving_mean", "moving_variance", "gamma"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    save_model(model, path, spec=spec, classes=["a", "b", "c", "d"])
    return path


def tune(tmp_path, source, **changes):
    values = {"start": source, "data": bar_data(), "recipe": TUNE, "out": tmp_path / "run"}
    return train(**(values | {"quiet": True, "test": False, "seed": 7} | changes))


def weights_of(path):
    model = load_trained(path).model
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def moved(source, run):
    """The layers whose weights, statistics included, are not bit for bit those of the source."""
    before, after = weights_of(source), weights_of(run)
    return {
        name
        for name, values in after.items()
        if any(
            one.tobytes() != two.tobytes() for one, two in zip(before[name], values, strict=True)
        )
    }


@pytest.mark.parametrize("decay", ["coupled", pytest.param("decoupled", marks=pytest.mark.slow)])
def test_a_frozen_backbone_stays_bit_for_bit_and_the_new_head_learns(tmp_path, source, decay):
    overrides = [f"optimizer.decay={decay}", "optimizer.decay_norm_and_bias=true"]
    run = tune(tmp_path, source, freeze=["backbone"], stop_after=2, recipe_overrides=overrides)
    assert moved(source, run) == {"head_logits"}
    assert run.architecture().classes == 3
    assert run.recipe().freeze == ("backbone",)
    losses = [line["loss"] for line in run.metrics()]
    assert losses[1] < losses[0]


def test_what_is_not_named_learns_with_its_statistics(tmp_path, source):
    run = tune(tmp_path, source, freeze=["stem"], stop_after=1)
    stage = {name for name in weights_of(run) if name.startswith("stage1")}
    assert stage <= moved(source, run)
    assert not any(name.startswith("stem") for name in moved(source, run))


@pytest.mark.parametrize("device", [None, "cpu"], ids=["stock", "fused"])
def test_frozen_normalisation_uses_and_keeps_its_statistics(device):
    model = build(TINY, seed=1, device=device)
    rows = plan(TINY)
    recipe = SHORT.model_copy(update={"freeze": ("backbone",)})
    before = [weight.numpy() for weight in model.weights]
    freezing(rows, recipe).apply(model, 0)
    backbone = keras.Model(model.input, model.get_layer(rows.stages["stage1"].row).output)
    images = bars(16)[0].astype(np.float32)
    seen = backbone(images, training=True).numpy()
    np.testing.assert_array_equal(seen, backbone(images, training=False).numpy())
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    names = {type(layer).__name__ for layer in model.layers}
    assert ("FusedBatchNormalization" in names) == (device == "cpu")
    open_model = build(TINY, seed=1, device=device)
    open_backbone = keras.Model(
        open_model.input, open_model.get_layer(rows.stages["stage1"].row).output
    )
    assert not np.array_equal(seen, open_backbone(images, training=True).numpy())


def test_parts_freeze_where_one_layer_stands_for_several_rows():
    large = TINY.input.model_copy(update={"shape": (32, 32, 1)})
    spec = TINY.model_copy(
        update={
            "input": large,
            "stem": TINY.stem.model_copy(update={"filters": 16}),
            "stages": (TINY.stages[0].model_copy(update={"width": 16}),),
        }
    )
    spec = override(spec, ["block.connection=residual"])
    model = build(spec, seed=1, device="cpu", dtype="mixed_bfloat16")
    rows = plan(spec)
    assert len(model.layers) < len(rows.rows)
    found = freezing(rows, SHORT.model_copy(update={"freeze": ("stage1",)}))
    found.apply(model, 0)
    frozen = {layer.name for layer in model.layers if layer.weights and not layer.trainable}
    assert frozen == {row.name for row in rows.rows if row.parameters and row.tags.stage == 1}


def test_opened_layers_drop_and_normalise_as_their_spec_says():
    model = build(TINY, seed=1)
    recipe = SHORT.model_copy(update={"freeze": ("backbone",), "unfreeze_at": 2})
    found = freezing(plan(TINY), recipe)
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    rates = [layer.rate for layer in dropouts]
    found.apply(model, 0)
    assert [layer.rate for layer in dropouts] != rates
    assert len(model.trainable_variables) == 2
    found.apply(model, 1)
    assert [layer.rate for layer in dropouts] == rates
    assert all(layer.trainable for layer in model.layers)


@pytest.fixture(scope="module")
def opened(tmp_path_factory, source):
    """Four epochs of which the first two are frozen, uninterrupted, with Adam and an average."""
    return tune(tmp_path_factory.mktemp("opened"), source, **OPENING)


OPENING = {
    "freeze": ["backbone"],
    "unfreeze_at": 3,
    "recipe_overrides": [
        "optimizer={kind: adam, weight_decay: 1e-3}",
        "rate_factors={stem: 0.1, stage1: 0.5}",
        "schedule.peak=0.01",
        "validation.keep=last",
    ],
}


def test_parts_open_at_their_epoch_and_a_resumed_run_opens_them_alike(
    tmp_path, source, opened, assert_equal_runs
):
    assert {"stem_conv", "stem_norm", "stage1_block1_conv1"} <= moved(source, opened)
    run = tune(tmp_path, source, **OPENING, stop_after=2)
    assert moved(source, run) == {"head_logits"}
    assert run.metrics() == opened.metrics()[:2]
    assert_equal_runs(resume(run, data=bar_data(), quiet=True), opened)


class Stop(keras.callbacks.Callback):
    """Fails like a kill after a step of an epoch (both from 0)."""

    def __init__(self, epoch, step):
        super().__init__()
        self.at, self.epoch = (epoch, step), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise ZeroDivisionError


@pytest.mark.slow
@pytest.mark.parametrize("at", [(0, 0), (2, 0), (2, 3)], ids=str)
def test_a_run_killed_inside_an_epoch_resumes_bit_for_bit(
    tmp_path, source, opened, assert_equal_runs, at
):
    with pytest.raises(ZeroDivisionError):
        tune(tmp_path, source, **OPENING, callbacks=[Stop(*at)], checkpoint_every=1)
    run = resume(tmp_path / "run", data=bar_data(), quiet=True)
    assert_equal_runs(run, opened)


def test_the_source_is_not_needed_again_and_without_a_state_it_is_said(tmp_path, source):
    with pytest.raises(ZeroDivisionError):
        tune(tmp_path, source, callbacks=[Stop(0, 0)])
    run = Run.open(tmp_path / "run")
    assert run.info["start"] == {"source": str(source), "new_layers": ["head_logits"]}
    for state in run.checkpoints.iterdir():
        state.unlink()
    with pytest.raises(UserError, match="stopped before the weights it starts from were saved"):
        resume(run, data=bar_data(), quiet=True)


def test_equal_classes_keep_the_head_and_a_run_brings_all(tmp_path, source):
    images, labels = bars(120)
    named = (images, np.array(["a", "b", "c", "d"])[(labels + np.arange(120) // 60)])
    first = tune(tmp_path, source, data=named, stop_after=1, out=tmp_path / "first")
    assert first.info["start"]["new_layers"] == []
    again = tune(
        tmp_path,
        first.path,
        data=named,
        stop_after=1,
        recipe_overrides=["schedule.peak=1e-30", "ema=null"],
    )
    assert again.architecture() == first.architecture()
    for name, values in weights_of(again).items():
        for one, two in zip(values[:2], weights_of(first)[name], strict=False):
            np.testing.assert_array_equal(one, two)


def test_other_names_for_as_many_classes_are_learned_anew(tmp_path, source):
    images, labels = bars(120)
    named = (images, np.array(["p", "q", "r", "s"])[(labels + np.arange(120) // 60)])
    run = tune(tmp_path, source, data=named, stop_after=1)
    assert run.info["start"]["new_layers"] == ["head_logits"]


def test_trained_weights_take_the_gentle_recipe(tmp_path, source):
    assert tune(tmp_path, source, recipe=None, stop_after=1).recipe().name == "finetune8"


def test_factors_slow_their_layer_groups_down():
    """With SGD from equal weights, a first step is the plain one times the layer group's factor."""
    spec = from_mapping(
        {
            "name": "still",
            "input": {"shape": [8, 8, 1]},
            "stem": {"filters": 4},
            "stages": [{"depth": 1, "width": 4}],
            "classes": 3,
        }
    )
    images, labels = bars(16)
    steps = {}
    for name, factors in (("plain", {}), ("slow", {"stem": 0.1, "stage1": 0.5})):
        model = build(spec, seed=2)
        recipe = SHORT.model_copy(update={"rate_factors": factors})
        learning, pace = param_groups(model, freezing(plan(spec), recipe), recipe, steps=1)
        options = recipe.optimizer
        optimizer = make_optimizer(options, 0.1)
        loop = Loop(model, optimizer, options, batch=16, variables=learning, param_groups=pace)
        before = {layer.name: layer.get_weights() for layer in model.layers}
        loop.train(images, labels)
        steps[name] = {
            layer.name: layer.get_weights()[0] - before[layer.name][0]
            for layer in model.layers
            if layer.trainable_variables
        }
    expected = {"stem_conv": 0.1, "stem_norm": 0.1, "stage1_block1_conv2": 0.5, "head_logits": 1.0}
    for layer, factor in expected.items():
        np.testing.assert_allclose(
            steps["slow"][layer], factor * steps["plain"][layer], rtol=2e-4, atol=1e-7
        )


def test_parts_that_learn_before_frozen_ones_are_noticed():
    spec = from_mapping(
        {
            "name": "three",
            "input": {"shape": [8, 8, 1]},
            "stem": {"filters": 4},
            "stages": [{"depth": 1, "width": 4}] * 3,
            "classes": 3,
        }
    )
    rows = plan(spec)
    for words, early in ((("stage2",), ("stem", "stage1")), (("stem..stage2",), ()), ((), ())):
        recipe = SHORT.model_copy(update={"freeze": words})
        assert trainable_before(rows, freezing(rows, recipe).rows) == early


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ["stagr1"]}, "did you mean 'stage1'"),
        ({"freeze": ["backbone", "head"]}, "the head is new and cannot be frozen"),
        (
            {"recipe_overrides": ["freeze=[stem]", "rate_factors.stage7=1"]},
            "no layer group 'stage7'",
        ),
        ({"unfreeze_at": 2}, "there are no frozen layers to unfreeze"),
        ({"freeze": ["stem"], "unfreeze_at": 5}, "an epoch from 2 to 4"),
        ({"freeze": ["stem"], "unfreeze_at": 1}, "an epoch from 2 to 4"),
        ({"spec": TINY}, "brings its own architecture"),
        ({"start": None}, "there is no network to train"),
        ({"start": None, "spec": TINY, "freeze": ["stem"]}, "no trained weights to freeze"),
        ({"classes": 4}, "4 classes were requested, but the data arrays have 3"),
        ({"overrides": ["stages[0].width=8"]}, "the weights of layer 'stage1_block1_conv1'"),
        ({"overrides": ["stages[0].depth=2"]}, "no weights for layer 'stage1_block2_conv1'"),
        ({"start": "nowhere.keras"}, "there is no .*nowhere.keras"),
    ],
)
def test_what_cannot_be_tuned_is_refused_and_leaves_no_folder(tmp_path, source, changes, message):
    with pytest.raises(UserError, match=message):
        tune(tmp_path, source, **changes)
    assert not (tmp_path / "run").exists()


def test_everything_frozen_is_refused(tmp_path, source):
    images, labels = bars(120)
    same = (images, (labels + np.arange(120) // 60).astype(np.int32))
    with pytest.raises(UserError, match="nothing is left to learn"):
        tune(tmp_path, source, data=same, freeze=["backbone", "head"])


def test_a_model_that_does_not_say_its_architecture_is_refused(tmp_path):
    model = build(TINY, seed=0)
    keras.saving.save_model(model, tmp_path / "foreign.keras")
    with pytest.raises(UserError, match="has no spec"):
        tune(tmp_path, tmp_path / "foreign.keras")


def test_weights_of_others_begin_a_training_and_other_classes_a_new_head(tmp_path, source):
    run = tune(
        tmp_path,
        source,
        start=None,
        spec=TINY,
        weights=str(source),
        freeze=["backbone"],
        stop_after=1,
        recipe_overrides=["ema=null"],
    )
    assert moved(source, run) == {"head_logits"}
    start = run.info["start"]
    assert (start["source"], start["new_layers"]) == (str(source), ["head_logits"])
    assert len(start["weights"]["sha256"]) == 64
    # Trained on, they are no longer those weights.
    assert run.architecture().weights is None


@pytest.mark.slow
def test_weights_of_others_keep_their_head_for_their_own_classes(tmp_path, source):
    images, labels = bars(120)
    named = (images, np.array(["a", "b", "c", "d"])[(labels + np.arange(120) // 60)])
    run = tune(
        tmp_path, source, start=None, spec=TINY, weights=str(source), data=named, stop_after=1
    )
    assert run.info["start"]["new_layers"] == []


def test_weights_of_others_learn_from_images_of_other_channels(tmp_path):
    wide = TINY.input.model_copy(update={"shape": (8, 8, 3), "mean": (90.0, 100.0, 110.0)})
    colour = TINY.model_copy(update={"input": wide, "classes": 4})
    save_model(build(colour, seed=5), tmp_path / "colour.keras", spec=colour)
    grey = override(colour, ["input.shape=[8,8,1]"])
    weights = str(tmp_path / "colour.keras")
    run = tune(tmp_path, None, spec=grey, weights=weights, freeze=["backbone"], stop_after=1)
    assert run.architecture().input.mean == (100.0,)
    before = load_trained(weights).model.get_layer("stem_conv").kernel.numpy()
    after = load_trained(run).model.get_layer("stem_conv").kernel.numpy()
    np.testing.assert_allclose(after, before.sum(axis=2, keepdims=True), rtol=1e-6)


def test_images_of_other_channels_are_refused_in_words(tmp_path):
    spec = override(TINY, ["input.shape=[8,8,4]"])
    with pytest.raises(UserError, match=r"takes 4-channel images and .* holds grey ones"):
        train(spec, bar_data(), SHORT, out=tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("weights", "message"),
    [("nowhere.safetensors", "nowhere.safetensors"), ("keras:imagenet", "TINY|tiny|networks")],
)
def test_weights_that_do_not_fit_leave_no_folder(tmp_path, source, weights, message):
    with pytest.raises(UserError, match=message):
        tune(tmp_path, source, start=None, spec=TINY, weights=weights)
    assert not (tmp_path / "run").exists()
