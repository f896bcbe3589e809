"""A widened net computes the same, and copies of a channel learn differently."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.net2net.widen import widen_model
from reszoo.planning.network import plan
from tests.model.test_deepen import BOTTLENECK, EXACT, IMAGES, REFUSED, difference, net, trained

NETS = (
    {name: block for name, block in EXACT.items() if "eca" not in name}
    | {name: block for name, (block, _) in REFUSED.items()}
    | {
        "highway": {"connection": "highway"},
        "highway by channel": {"connection": "highway", "gate": {"granularity": "channel"}},
        "zeros on both sides": {"shortcut": {"kind": "zero_pad", "channels": "both"}},
        "zeros after means": {"shortcut": {"kind": "zero_pad", "subsample": "average"}},
        "squeeze-excite that rounds": {"attention": {"kind": "se", "ratio": 16}},
    }
)


@pytest.mark.quick_rows(4)
@pytest.mark.parametrize("name", NETS)
def test_the_wider_net_is_the_same_function(name):
    spec = net(NETS[name])
    model = trained(spec)
    wider, changed = widen_model(model, spec, 2, seed=4)
    assert [stage.width for stage in changed.stages] == [16, 32]
    assert difference(model, wider) <= 3e-6


@pytest.mark.parametrize(
    "changes",
    [
        {"stem": {"filters": [4, 8]}},
        {"stem": {"filters": 8, "pool": {"kind": "conv", "filters": 12}}},
        {"stem": {"filters": 8, "pool": {"kind": "blur"}}},
        {"head": {"pool": "none"}},
        {"head": {"conv": 7, "hidden": [6], "pool": "max"}},
    ],
    ids=str,
)
def test_stems_and_heads_widen_too(changes):
    spec = net({"shortcut": "projection"}, **changes)
    model = trained(spec)
    assert difference(model, widen_model(model, spec, 3, seed=4)[0]) <= 3e-6


def test_copies_of_a_channel_do_not_learn_alike():
    spec = net(BOTTLENECK)
    wider, _ = widen_model(trained(spec), spec, 2, seed=4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.log_softmax(wider(IMAGES, training=True))[:, 0])
    kernels = [one for one in wider.trainable_variables if one.path.endswith("conv2/kernel")]
    for kernel, gradient in zip(
        kernels, tape.gradient(loss, [one.value for one in kernels]), strict=True
    ):
        one, two = gradient[..., 0::2], gradient[..., 1::2]
        size = float(tf.reduce_max(tf.abs(one)))
        assert float(tf.reduce_max(tf.abs(one - two))) > 0.05 * size > 0, kernel.path


def test_the_wider_spec_plans_the_wider_net():
    spec = net({})
    wider, changed = widen_model(build(spec), spec, 2)
    assert wider.count_params() == sum(
        row.parameters + row.other_parameters for row in plan(changed).rows
    )
    assert changed.title == "net, widened 2 times"


def test_eca_and_no_factor_are_refused():
    spec = net({"attention": "eca"})
    with pytest.raises(UserError, match="would read copies for neighbours"):
        widen_model(build(spec), spec, 2)
    with pytest.raises(UserError, match="a factor of 2 or more"):
        widen_model(build(spec), spec, 1)


def test_a_model_of_another_spec_is_refused():
    with pytest.raises(UserError, match="no weights for layer"):
        widen_model(keras.Sequential([keras.Input((8, 8, 3))]), net({}), 2)
