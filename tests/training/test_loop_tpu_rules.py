"""No TPU is here. What it asks of a step is checked on the traced graph: every shape is known,
nothing in it is the host's, several steps run in one loop whose batches come from outside.
"""

import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.build import build
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loop import Loop
from reszoo.training.optimizers.optimizers import make_optimizer
from tests.training.samples import TINY

HOST = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "Print", "PrintV2", "StringFormat"}
"""Ops that call back into Python or write."""
RAW = {"ResourceApplyMomentum", "FusedBatchNormV3"}
"""Kernels of CPUs and GPUs that our own layers and optimizers might have asked for. (XLA has one of
its own for ResourceApplyKerasMomentum.)"""


@pytest.fixture(scope="module")
def traced():
    """The graph of several steps of a network with every stochastic part, built for a TPU."""
    fields = Optimizer(weight_decay=1e-3, clip_norm=1.0)
    model = build(TINY, dtype="mixed_bfloat16", seed=0, device="tpu")
    optimizer = make_optimizer(fields, 0.1)
    loop = Loop(model, optimizer, fields, batch=8, steps_per_execution=4, accumulate=2)
    images = np.zeros((64, 8, 8, 1), np.uint8)
    source = tf.data.Dataset.from_tensor_slices((images, np.zeros(64, np.int32)))
    iterator, count = next(loop.feeds(source.batch(8, drop_remainder=True)))
    return loop, loop._train_many.get_concrete_function(iterator, count)


def operations(function, *, inside=False):
    """Every operation of a function and of those it calls, bodies of loops too.

    Inside are those of the steps alone, without what counts them.
    """
    waiting, seen = [function.graph], set()
    while waiting:
        graph = waiting.pop()
        if not inside or graph is not function.graph:
            yield from graph.get_operations()
        for name, called in graph._functions.items():
            if name not in seen:
                seen.add(name)
                waiting.append(called.graph)


def test_all_steps_are_one_loop_and_its_batches_come_from_outside(traced):
    _, function = traced
    kinds = [operation.type for operation in operations(function)]
    assert {"While", "StatelessWhile"} & set(kinds)
    assert "IteratorGetNext" in kinds
    assert not {"OneShotIterator", "MakeIterator", "AnonymousIteratorV3"} & set(kinds)


def test_nothing_in_a_step_is_the_hosts(traced):
    _, function = traced
    kinds = {operation.type for operation in operations(function)}
    assert "Conv2D" in kinds, "the step itself is not in the graph"
    assert not kinds & (HOST | RAW)
    # Draws come from seeds and not from a generator that the graph holds.
    assert not {kind for kind in kinds if kind.startswith("Random")}


def test_every_shape_in_a_step_is_known(traced):
    _, function = traced
    unknown = [
        (operation.name, output.shape)
        for operation in operations(function, inside=True)
        for output in operation.outputs
        if output.dtype not in (tf.resource, tf.variant)
        # What a loop's condition is handed and does not look at has no shape in TensorFlow.
        and "redundant_placeholder" not in operation.name
        and not output.shape.is_fully_defined()
    ]
    assert not unknown


@pytest.mark.slow
def test_xla_compiles_what_a_replica_does(traced):
    loop, _ = traced
    compiled = tf.function(loop._replica_step, jit_compile=True)
    images, labels = tf.zeros((8, 8, 8, 1), tf.uint8), tf.zeros(8, tf.int32)
    assert np.isfinite(float(compiled(images, labels)))
