"""Fused layers run on several replicas: compiled functions, custom gradients, statistics."""

import pytest

TWO_STEPS = """
import numpy as np, tensorflow as tf
from reszoo.model.build import build
from reszoo.model.layer_factories import DEVICE_LAYERS
from reszoo.spec import from_mapping
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loop import Loop
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.options import DistributionOptions

random = np.random.default_rng(0)
images = tf.constant(random.integers(0, 255, (8, 16, 16, 3)), tf.uint8)
labels = tf.constant(random.integers(0, 3, 8), tf.int32)
source = tf.data.Dataset.from_tensors((images, labels)).repeat()
BLOCKS = {"highway": {"transform": "conv", "connection": "highway"},
          "residual": {"transform": "bottleneck", "connection": "residual"}}

def spec(connection, norm):
    return from_mapping({
        "name": "fast", "input": {"shape": [16, 16, 3], "mean": 100.0, "std": 80.0},
        "norm": norm, "stem": {"filters": 64}, "block": BLOCKS[connection],
        "stages": [{"depth": 2, "width": 64}], "classes": 3})

def moved(replicas, spec, dtype):
    strategy = "mirrored" if replicas > 1 else "one"
    setup = device_setup(DistributionOptions(strategy, f"cpu:{replicas}"))
    fields = Optimizer(weight_decay=0.0)
    with setup.strategy.scope():
        model = build(spec, dtype=dtype, seed=1, device="cpu")
        optimizer = make_optimizer(fields, 0.01)
    assert sum(isinstance(layer, DEVICE_LAYERS) for layer in model.layers) >= 2
    start = [one.numpy() for one in model.weights]
    loop = Loop(model, optimizer, fields, batch=8, strategy=setup.strategy)
    for feed in loop.feeds(source.take(2)):
        loop.train(*feed)
    loop.average_statistics()
    ends = [one.numpy() for one in model.weights]
    return np.concatenate([(b - a).ravel() for a, b in zip(start, ends, strict=True)])

def assert_near(one, two, most):
    error = np.linalg.norm(two - one) / np.linalg.norm(one)
    assert np.linalg.norm(one) > 0 and error <= most, error
"""

CLAIMS = {
    "float32": """
net = spec("residual", "none")
assert_near(*(moved(count, net, "float32") for count in (1, 2)), 1e-4)
""",
    "bfloat16": """
net = spec("highway", "none")
assert_near(*(moved(count, net, "mixed_bfloat16") for count in (1, 2)), 0.02)
""",
    "their own statistics": """
net = spec("residual", "batch")
both = moved(2, net, "mixed_bfloat16")
assert np.isfinite(both).all() and np.linalg.norm(both) > 0
""",
}


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(CLAIMS["float32"], marks=pytest.mark.slow),
        CLAIMS["bfloat16"],
        pytest.param(CLAIMS["their own statistics"], marks=pytest.mark.slow),
    ],
    ids=CLAIMS,
)
def test_two_replicas_of_fast_layers_step_as_one(on_four_cpus, claim):
    on_four_cpus(TWO_STEPS + claim)
