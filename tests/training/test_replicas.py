"""Replicas compute what one computes, and what differs between them is kept and comes back."""

import pytest
import tensorflow as tf

from reszoo.errors import UserError
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.options import DistributionOptions

PROGRAM = """
import keras, numpy as np, tensorflow as tf
from reszoo.model.build import build
from reszoo.spec.optimizer import Optimizer
from reszoo.training.loop.loop import Loop
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.options import DistributionOptions
from tests.training.samples import TINY

random = np.random.default_rng(0)
images = random.integers(0, 255, (160, 8, 8, 1)).astype("uint8")
labels = random.integers(0, 3, 160).astype("int32")
PLAIN = TINY.model_copy(update={"block": TINY.block.model_copy(update={"connection": "residual"}),
                                "head": TINY.head.model_copy(update={"dropout": 0.0})})
BARE = PLAIN.model_copy(update={"norm": PLAIN.norm.model_copy(update={"kind": "none"})})

def trained(replicas, spec=PLAIN, *, dtype="float64", sync=True, steps=10, clip=None, **options):
    strategy = "mirrored" if replicas > 1 else "one"
    setup = device_setup(DistributionOptions(strategy, f"cpu:{replicas}"))
    fields = Optimizer(weight_decay=1e-3, clip_norm=clip)
    with setup.strategy.scope():
        model = build(spec, dtype=dtype, seed=1, device="cpu", sync_norm=sync)
        optimizer = make_optimizer(fields, 0.1)
    loop = Loop(model, optimizer, fields, batch=16, strategy=setup.strategy, **options)
    loop.replicas.spread_seeds()
    source = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16, drop_remainder=True)
    for feed in loop.feeds(source.take(steps)):
        loop.train(*feed)
    loop.average_statistics()
    return loop

def difference(one, other):
    pairs = zip(one.model.weights, other.model.weights, strict=True)
    return max(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in pairs)
"""

EXACT = """
start, one = trained(1, steps=0), trained(1, clip=CLIP)
other = trained(REPLICAS, clip=CLIP)
assert difference(start, one) > 0.001, "nothing was learned"
assert other.strategy.num_replicas_in_sync == REPLICAS
assert difference(one, other) <= 1e-12, difference(one, other)
loose = trained(REPLICAS, sync=False, clip=CLIP)
assert difference(one, loose) > 1e-6, "synchronised or not, all the same"
"""

IN_PARTS = """
one = trained(1, BARE, sync=False)
assert difference(one, trained(1, BARE, sync=False, steps=0)) > 0.001
for replicas, options in OPTIONS:
    other = trained(replicas, BARE, sync=False, **options)
    assert other.steps == 10, (replicas, options)
    assert difference(one, other) <= 1e-12, (replicas, options, difference(one, other))
"""

STATE = """
from reszoo.training.checkpoint.variables import read_variables, write_variables
loop = trained(2, TINY, dtype="float32", sync=False, steps=3)
seeds = [one for one in loop.model.variables if one.name == "seed_generator_state"]
assert len(seeds) == 2
for seed in seeds:
    first, second = (one.numpy() for one in seed.value.values)
    assert first[0] != second[0] and first[1] == second[1] == 3, (first, second)
arrays = read_variables(model=loop.model, **loop.owners) | loop.replicas.read()
assert len(arrays["replicas/values"]) == 2
again = trained(2, TINY, dtype="float32", sync=False, steps=1)
write_variables(arrays, model=again.model, **again.owners)
again.replicas.write(arrays)
for name, value in loop.replicas.read().items():
    np.testing.assert_array_equal(again.replicas.read()[name], value)
for seed, other in zip(seeds, again.replicas._seeds, strict=True):
    for mine, theirs in zip(seed.value.values, other.value.values, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
for replicas in (1, 4):  # On another number the means and sums come back.
    other = trained(replicas, TINY, dtype="float32", sync=False, steps=1)
    write_variables(arrays, model=other.model, **other.owners)
    other.replicas.write(arrays)
    for name, value in loop.results(loop.training_metrics).items():
        np.testing.assert_allclose(other.results(other.training_metrics)[name], value, rtol=1e-6)
    other.average_statistics()
    assert difference(loop, other) <= 1e-6
"""

COUNTS_ONCE = """
from reszoo.data.images.resizing import evaluation_format
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
data = open_data((images[:37], labels[:37]))
split = data.split("train")
found = []
for replicas in (1, 4):
    loop = trained(replicas, PLAIN, dtype="float32", sync=True, steps=0)
    image_format = evaluation_format(PLAIN.input)
    found.append(loop.evaluate(batches(split, image_format, batch_size=8, pad=replicas > 1)))
one, four = found
for name, value in one.items():
    np.testing.assert_allclose(four[name], value, rtol=1e-6)
"""


# Pairs of options meet in the quick ones; each is alone in the slow ones.
PARTS = """
OPTIONS = ((2, {"accumulate": 2}), (1, {"accumulate": 2, "xla": True}),
           (2, {"steps_per_execution": 3}))
"""
MORE_PARTS = """
OPTIONS = ((1, {"accumulate": 4}), (2, {"xla": True}), (1, {"xla": True}),
           (1, {"steps_per_execution": 4}))
"""


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param("REPLICAS, CLIP = 2, 0.01" + EXACT, id="exact"),
        pytest.param("REPLICAS, CLIP = 2, None" + EXACT, id="no clip", marks=pytest.mark.slow),
        pytest.param("REPLICAS, CLIP = 4, 0.01" + EXACT, id="four", marks=pytest.mark.slow),
        pytest.param(PARTS + IN_PARTS, id="parts"),
        pytest.param(MORE_PARTS + IN_PARTS, id="more parts", marks=pytest.mark.slow),
        pytest.param(STATE, id="state", marks=pytest.mark.slow),
        pytest.param(COUNTS_ONCE, id="once", marks=pytest.mark.slow),
    ],
)
def test_replicas_are_one(on_four_cpus, claim):
    on_four_cpus(PROGRAM + claim)


def test_devices_cannot_be_divided_once_tensorflow_computes():
    assert tf.constant(1) + 1 == 2
    with pytest.raises(UserError, match="begun to compute"):
        device_setup(DistributionOptions(devices="cpu:2"))
    with pytest.raises(UserError, match="does not exist"):
        device_setup(DistributionOptions(devices="gpu:97"))


FROZEN = """
    import os, signal
    import keras, numpy as np
    from reszoo.inference.trained import load_trained
    from reszoo.model.build import build
    from reszoo.model.saving import save_model
    from reszoo.training import TrainingStopped
    from reszoo.training.train import resume, train
    from tests.training.samples import SHORT, TINY, bar_data

    class StopIn(keras.callbacks.Callback):
        def __init__(self, epoch):
            super().__init__()
            self.stops, self.epoch = epoch, None

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (self.stops, 2):
                os.kill(os.getpid(), signal.SIGTERM)

    os.chdir({folder!r})
    save_model(build(TINY, seed=5), "start.keras", spec=TINY)
    words = {{"start": "start.keras", "freeze": ["stem..stage1"], "unfreeze_at": 2}}
    words |= {{"data": bar_data(), "recipe": SHORT, "devices": "cpu:2"}}
    words |= {{"quiet": True, "test": False}}
    whole = train(out="whole", **words)
    try:
        train(out="stopped", callbacks=[StopIn({epoch})], **words)
    except TrainingStopped:
        pass
    run = resume("stopped", data=bar_data(), quiet=True)
    assert run.state == "finished"
    for one, other in zip(*(load_trained(r).model.get_weights() for r in (whole, run))):
        np.testing.assert_array_equal(one, other)
"""


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_run_with_frozen_layers_resumes_on_several_replicas(on_four_cpus, tmp_path, epoch):
    """Interrupted in the epoch that is frozen, or in the next."""
    on_four_cpus(FROZEN.format(folder=str(tmp_path), epoch=epoch))
