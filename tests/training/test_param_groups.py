"""Rates of their own do what a slower or later training does, in every optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.spec import from_mapping
from reszoo.spec.optimizer import Optimizer
from reszoo.training.optimizers.optimizers import build_optimizer, final_gradients, make_optimizer
from reszoo.training.optimizers.param_groups import ParamGroup
from tests.early import computed_before

RATE = 0.1
GRADIENTS = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
KINDS = [
    {"kind": "sgd", "weight_decay": 0.01},
    {"kind": "sgd", "nesterov": False, "momentum": 0.0},
    {"kind": "sgd", "weight_decay": 0.01, "decay": "decoupled"},
    {"kind": "adam", "weight_decay": 0.01},
    {"kind": "adamw", "weight_decay": 0.01},
    {"kind": "lamb", "weight_decay": 0.01},
    {"kind": "rmsprop", "weight_decay": 0.01},
]
NAMES = [f"{one['kind']}-{number}" for number, one in enumerate(KINDS)]


def kernels(count):
    return [keras.Variable(np.ones((3, 2), np.float32), name=f"k{n}") for n in range(count)]


def trained(fields, rate, steps, *, param_groups=None, before=0):
    """One kernel after steps with the given gradients, `before` steps into the training."""
    options = Optimizer.model_validate(fields)
    late, other = kernels(2)
    optimizer = make_optimizer(options, rate)
    build_optimizer(optimizer, options, [late, other], param_groups)
    optimizer.iterations.assign(before)
    for gradient in steps:
        given = [tf.constant(gradient)]
        optimizer.apply(final_gradients(given, options), [late])
    return late.numpy()


@pytest.mark.parametrize("fields", KINDS, ids=NAMES)
def test_a_factor_on_the_rate_is_a_smaller_rate(fields):
    paced = trained(fields, RATE, GRADIENTS, param_groups=[ParamGroup(0.25), ParamGroup()])
    np.testing.assert_allclose(paced, trained(fields, RATE / 4, GRADIENTS), rtol=1e-6)


@pytest.mark.parametrize("fields", KINDS, ids=NAMES)
def test_what_learns_later_learns_as_at_the_start(fields):
    late = trained(
        fields, RATE, GRADIENTS[:5], param_groups=[ParamGroup(1.0, 40), ParamGroup()], before=40
    )
    np.testing.assert_allclose(late, trained(fields, RATE, GRADIENTS[:5]), rtol=2e-5)


def test_without_the_correction_a_late_adam_would_leap():
    # Three times too far: sqrt(1 - 0.999) and 1 - 0.9 are what its fresh moments lack.
    late = trained({"kind": "adam"}, RATE, GRADIENTS[:1], before=2000)
    first = trained({"kind": "adam"}, RATE, GRADIENTS[:1])
    assert np.abs(1 - late).min() > 2.5 * np.abs(1 - first).max()


@pytest.mark.parametrize("fields", KINDS, ids=NAMES)
def test_nothing_of_a_variables_size_is_computed_before_its_gradient(fields):
    options = Optimizer.model_validate(fields)
    [kernel] = kernels(1)
    optimizer = make_optimizer(options, RATE)
    build_optimizer(optimizer, options, [kernel], None)

    @tf.function
    def step(gradient):
        optimizer.apply([gradient], [kernel])

    graph = step.get_concrete_function(tf.TensorSpec(kernel.shape, tf.float32)).graph
    assert not computed_before(graph, graph.inputs[0].op, 6)


def test_biases_and_layer_groups_get_the_factors_that_the_recipe_names():
    from reszoo.model.build import build
    from reszoo.planning.network import plan
    from reszoo.training.freezing import freezing, param_groups
    from tests.training.samples import SHORT, TINY

    fields = SHORT.model_dump() | {
        "rate_factors": {"bias": 2.0, "stem": 0.5},
        "decay_factors": {"logits": 10.0, "bias": 0.0},
    }
    recipe = from_mapping(fields, "recipe")
    model = build(TINY, seed=1)
    learning, found = param_groups(model, freezing(plan(TINY), recipe), recipe, steps=1)
    by_path = {one.path: pace for one, pace in zip(learning, found, strict=True)}
    assert by_path["stem_conv/kernel"] == ParamGroup(0.5)
    assert by_path["stem_norm/beta"] == ParamGroup(1.0, decay_factor=0.0)
    assert by_path["stem_norm/gamma"] == ParamGroup(0.5)
    assert by_path["stage1_block1_norm2/beta"] == ParamGroup(2.0, decay_factor=0.0)
    assert by_path["head_logits/kernel"] == ParamGroup(1.0, decay_factor=10.0, is_last=True)
    assert by_path["head_logits/bias"] == ParamGroup(2.0, decay_factor=0.0, is_last=True)
