"""A deepened net computes the same and can learn; other blocks are refused with the reason."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo import spec as specs
from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.net2net.deepen import _identity_kernel, deepen_model
from reszoo.model.saving import load_model, save_model
from reszoo.planning.network import plan
from reszoo.spec import Architecture, from_mapping

IMAGES = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
ROUNDING = 1e-6


def net(block: dict[str, Any], **changed: Any) -> Architecture:
    """Two stages, of two blocks and of one, the second at half the size."""
    mapping = {
        "name": "net",
        "input": {"shape": [8, 8, 3], "mean": 120.0, "std": 60.0},
        "stem": {"filters": 8},
        "block": {"shortcut": "zero_pad"} | block,
        "stages": [{"depth": 2, "width": 8}, {"depth": 1, "width": 16, "stride": 2}],
        "classes": 5,
    }
    return from_mapping(mapping | changed)


def trained(spec: Architecture, seed: int = 3) -> keras.Model:
    """A model as training leaves it: every vector uneven, statistics too."""
    model = build(spec, seed=seed)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance", "factor"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif len(weight.shape) < 2:
            weight.assign(random.normal(0.0, 0.3, weight.shape))
    return model


def difference(before: keras.Model, after: keras.Model, images: np.ndarray = IMAGES) -> float:
    old, new = (model(images, training=False).numpy() for model in (before, after))
    assert np.ptp(old) > 0.1
    return float(np.abs(new - old).max() / np.abs(old).max())


def learning(model: keras.Model, images: np.ndarray = IMAGES) -> dict[tuple[int, int], float]:
    """By stage and block: the largest gradient of a loss in training."""
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(tf.nn.log_softmax(logits)[:, 0])
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    largest: dict[tuple[int, int], float] = {}
    for variable, gradient in zip(variables, gradients, strict=True):
        words = variable.path.split("_")
        if words[0].startswith("stage") and words[1].startswith("block"):
            place = (int(words[0][5:]), int(words[1][5:]))
            largest[place] = max(largest.get(place, 0.0), float(tf.reduce_max(tf.abs(gradient))))
    return largest


BOTTLENECK = {"transform": "bottleneck", "shortcut": "projection"}
HIGHWAY = {"transform": "conv", "connection": "highway", "gate": {"bias": -1}}
EXACT = {
    "post": {},
    "post, bottleneck": BOTTLENECK,
    "post, relu6": {"activation": "relu6"},
    "post, no activation": {"activation": "none"},
    "post, no norm": {"norm": "none"},
    "post, squeeze-excite": {"attention": {"kind": "se", "ratio": 2, "divisor": 1}},
    "post, eca": {"attention": "eca"},
    "post, groups": BOTTLENECK | {"groups": 2, "base_width": 32},
    "post, blurred strides": {"antialias": "blur"},
    "post, average projection": {"shortcut": "average_projection"},
    "post, dropout": {"dropout": 0.3, "shortcut": {"kind": "zero_pad", "dropout": 0.2}},
    "post, kernels per axis": {"kernel": [1, 5]},
    "post, group norm": {"norm": {"kind": "group", "groups": 4}},
    "full_pre": {"order": "full_pre"},
    "full_pre, bottleneck": BOTTLENECK | {"order": "full_pre"},
    "full_pre, strided last": BOTTLENECK | {"order": "full_pre", "strided_block": "last"},
    "full_pre, silu": {"order": "full_pre", "activation": "silu"},
    "full_pre, no norm": {"order": "full_pre", "norm": "none"},
    "relu_only_pre": {"order": "relu_only_pre"},
    "relu_before_add, silu": {"order": "relu_before_add", "activation": "silu"},
    "bn_after_add, no norm": {"order": "bn_after_add", "norm": "none"},
    "scaled": {"connection": "scaled"},
    "scaled by channel": {"connection": "scaled", "scale": {"granularity": "channel"}},
    "scaled, relu before": {"connection": "scaled", "order": "relu_before_add"},
    "constant": {"connection": "constant", "constants": {"transform": 0.5}},
    "shortcut_gate": {"connection": "shortcut_gate"},
    "uncoupled": {"connection": "highway", "gate": {"coupled": False}},
    "uncoupled by channel": {
        "connection": "highway",
        "gate": {"coupled": False, "granularity": "channel"},
    },
    "highway conv": HIGHWAY | {"norm": "none"},
    "highway conv, no activation": HIGHWAY | {"norm": "none", "activation": "none"},
    "constant survival": {"survival_probability": 0.8, "survival_decay": "constant"},
    "linear survival": {"connection": "stochastic"},
    "linear survival, full_pre": {"connection": "stochastic", "order": "full_pre"},
    "linear survival, scaled": {"connection": "scaled", "survival_probability": 0.6},
}
"""Blocks that some weights make the identity, exactly or to rounding."""


def depths_of(spec: Architecture) -> list[int]:
    # A last block that strides and widens, alone in its stage, has no room before it.
    return [4, 1] if spec.block.strided_block == "last" else [3, 2]


@pytest.mark.quick_rows(4)
@pytest.mark.parametrize("name", EXACT)
def test_the_deeper_net_is_the_same_function_and_its_new_blocks_learn(name):
    spec = net(EXACT[name])
    model = trained(spec)
    depths = depths_of(spec)
    deeper = deepen_model(model, spec, depths, seed=5)
    assert deeper.gate is None
    assert [stage.depth for stage in deeper.spec.stages] == depths
    assert difference(model, deeper.model) <= ROUNDING
    gradients = learning(deeper.model)
    assert len(gradients) == sum(depths)
    # Stochastic depth may leave a whole block out of one step.
    if "survival" not in name:
        assert min(gradients.values()) > 1e-7, gradients


def test_a_last_block_with_a_stride_per_axis_stays_the_last():
    shapes = [{"depth": 1, "width": 8}, {"depth": 2, "width": 16, "stride": [1, 2]}]
    spec = net({"strided_block": "last", "kernel": [3, 5]}, stages=shapes)
    model = trained(spec)
    deeper = deepen_model(model, spec, [1, 4], seed=5)
    strides = [layer.strides for layer in deeper.model.layers if layer.name.endswith("_conv1")]
    assert strides == [(1, 1)] * 4 + [(1, 2)]
    assert difference(model, deeper.model) <= ROUNDING


def test_most_of_it_is_equal_to_the_last_bit():
    for name in ("post", "full_pre", "scaled", "highway conv", "uncoupled", "shortcut_gate"):
        spec = net(EXACT[name])
        model = trained(spec)
        assert difference(model, deepen_model(model, spec, [4, 3]).model) == 0.0, name


def test_a_highway_of_dense_layers_deepens_exactly():
    spec = net(
        {"transform": "dense", "connection": "highway"},
        norm="none",
        stem={"kind": "dense", "filters": 12},
        stages=[{"depth": 2, "width": 12}],
        head={"pool": "none"},
    )
    model = trained(spec)
    deeper = deepen_model(model, spec, [6], seed=0)
    assert (deeper.gate, difference(model, deeper.model)) == (None, 0.0)
    assert min(learning(deeper.model).values()) > 1e-7


@pytest.mark.parametrize(
    ("bias", "tolerance"), [(-6.0, 3e-2), (-12.0, 2e-4), (-20.0, ROUNDING)], ids=str
)
def test_a_highway_block_that_normalises_is_the_identity_as_far_as_its_gate_is_shut(
    bias, tolerance
):
    spec = net({"connection": "highway"})
    model = trained(spec)
    deeper = deepen_model(model, spec, [4, 3], seed=5, gate_bias=bias)
    assert deeper.gate == pytest.approx(np.exp(bias), rel=1e-2)
    assert difference(model, deeper.model) <= tolerance
    assert min(learning(deeper.model).values()) > 0


def test_the_guideline_of_gates_is_that_of_the_deeper_net():
    # The gates of new blocks start where the paper starts those of a net so deep.
    spec = net({"transform": "conv", "connection": "highway", "norm": "none"})
    model = trained(spec)
    deeper = deepen_model(model, spec, [20, 10])
    gate = deeper.model.get_layer("stage1_block20_transform_gate_conv")
    np.testing.assert_array_equal(gate.bias.numpy(), -3.0)


def test_the_new_blocks_of_a_net_strided_last_stand_before_its_last():
    spec = net(EXACT["full_pre, strided last"], stages=[{"depth": 2, "width": 8, "stride": 2}])
    model = trained(spec)
    deeper = deepen_model(model, spec, [4])
    assert difference(model, deeper.model) == 0.0
    for name in ("conv1", "conv3", "norm2"):
        old, new = (
            one.get_layer(f"stage1_block{block}_{name}").get_weights()
            for one, block in ((model, 2), (deeper.model, 4))
        )
        for one, two in zip(old, new, strict=True):
            np.testing.assert_array_equal(one, two)


REFUSED = {
    "plain": ({"connection": "plain"}, "no shortcut that passes x"),
    "option C": ({"shortcut": "projection_all"}, "every shortcut projects"),
    "norm after add": ({"order": "bn_after_add"}, "a normalisation follows the addition"),
    "leaky": ({"activation": "leaky_relu"}, "'leaky_relu' follows the addition"),
    "silu": ({"activation": "silu"}, "'silu' follows the addition"),
    "relu before add": ({"order": "relu_before_add"}, "whose gradient at 0 is 0"),
    "halved shortcut": (
        {"connection": "constant", "constants": {"carry": 0.5, "transform": 0.5}},
        "multiplied by 0.5 in every block",
    ),
    "attention that survives": (
        {"connection": "stochastic", "attention": {"kind": "se", "ratio": 2}},
        "H cannot make up for the difference",
    ),
    "highway that survives": (
        {"connection": "highway", "survival_probability": 0.5},
        "H cannot make up for the difference",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_the_identity_is_refused_with_the_reason(name):
    block, reason = REFUSED[name]
    spec = net(block)
    with pytest.raises(UserError, match=reason):
        deepen_model(build(spec), spec, [3, 2])


def test_only_the_stages_that_grow_must_allow_it():
    stages = [
        {"depth": 2, "width": 8},
        {"depth": 1, "width": 16, "stride": 2, "connection": "plain"},
    ]
    spec = net({}, stages=stages)
    model = trained(spec)
    assert difference(model, deepen_model(model, spec, [3, 1]).model) == 0.0
    with pytest.raises(UserError, match="stage 2: a plain block"):
        deepen_model(model, spec, [3, 2])


def test_a_lone_block_that_strides_last_and_widens_is_refused():
    spec = net(EXACT["full_pre, strided last"])
    with pytest.raises(UserError, match="its only block changes the width"):
        deepen_model(build(spec), spec, [2, 2])


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ([2], "has 2 stages, not 1"),
        ([2, 1, 1], "has 2 stages, not 3"),
        ([1, 2], "cannot have fewer blocks"),
        ([2, 1], "is as deep already"),
        ([], "has 2 stages, not 0"),
    ],
)
def test_depths_that_are_none_are_refused(depths, message):
    spec = net({})
    with pytest.raises(UserError, match=message):
        deepen_model(build(spec), spec, depths)


def test_a_deepened_net_is_not_the_published_one_any_more():
    spec = specs.load("resnet8")
    deeper = deepen_model(build(spec), spec, [1, 2, 1])
    assert (deeper.spec.name, deeper.spec.published) == ("resnet8", None)
    assert deeper.spec.title == "resnet8, deepened to 1, 2, 1 blocks"
    assert plan(deeper.spec) == plan(specs.load("resnet8", ["stages[1].depth=2"]))


def test_a_net_deepens_twice_and_travels_through_a_file(tmp_path):
    spec = net({})
    model = trained(spec)
    once = deepen_model(model, spec, [3, 1])
    save_model(once.model, tmp_path / "once.keras", spec=once.spec)
    loaded = load_model(tmp_path / "once.keras")
    twice = deepen_model(loaded.model, loaded.spec, [3, 2])
    assert difference(model, twice.model) == 0.0


def test_a_model_of_another_spec_is_refused():
    other = build(net({"transform": "bottleneck", "shortcut": "projection"}))
    with pytest.raises(UserError, match="weights of layer 'stage1_block1_conv1' do not fit"):
        deepen_model(other, net({}), [3, 2])
    with pytest.raises(UserError, match="no weights for layer 'stage1_block1_transform_gate_conv'"):
        deepen_model(build(net({})), net({"connection": "highway"}), [3, 2])


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize("name", ["post", "full_pre", "scaled", "uncoupled", "highway conv"])
def test_after_two_steps_every_weight_of_a_new_block_learns(name):
    spec = net(EXACT[name])
    model = deepen_model(trained(spec), spec, [3, 2], seed=5).model
    optimizer = keras.optimizers.SGD(0.01)
    new = [weight for weight in model.trainable_variables if "stage1_block3" in weight.path]
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(tf.nn.log_softmax(model(IMAGES, training=True))[:, 0])
        gradients = tape.gradient(loss, [one.value for one in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
    by_path = dict(zip([one.path for one in model.trainable_variables], gradients, strict=True))
    dead = [one.path for one in new if not np.any(by_path[one.path].numpy())]
    # A gate that holds its shortcut open to the last bit stays there.
    assert all("carry_gate" in path for path in dead), dead


def test_a_kernel_passes_every_channel_as_it_is():
    random = np.random.default_rng(0)
    for side, groups in ((1, 1), (2, 1), (3, 1), (5, 2), (3, 4)):
        x = random.normal(size=(2, 6, 6, 8)).astype(np.float32)
        layer = keras.layers.Conv2D(8, side, padding="same", groups=groups, use_bias=False)
        layer.build(x.shape)
        layer.kernel.assign(_identity_kernel(tuple(layer.kernel.shape)))
        np.testing.assert_array_equal(layer(x).numpy(), x)
