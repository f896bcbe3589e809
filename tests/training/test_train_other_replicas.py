"""A run goes on with another number of replicas, and ends where it would have, to rounding."""

import numpy as np
import pytest

PROGRAM = """
    import os, signal
    import keras, numpy as np
    from reszoo.inference.trained import load_trained
    from reszoo.training import TrainingStopped
    from reszoo.training.train import resume, train
    from tests.training.samples import SHORT, TINY, bar_data

    # Nothing that is drawn for each replica, and a norm that needs no batch.
    spec = TINY.model_validate(TINY.model_dump() | {{
        "norm": "none", "head": {{"dropout": 0.0}}, "block": {{"connection": "residual"}},
    }})

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (1, 2):
                os.kill(os.getpid(), signal.SIGTERM)

    words = {{"quiet": True, "devices": {devices!r}}}
    if {stops}:
        try:
            train(spec, bar_data(), SHORT, seed=7, out={out!r}, callbacks=[Stop()], **words)
        except TrainingStopped:
            run = None
    elif {goes_on}:
        run = resume({out!r}, data=bar_data(), **words)
    else:
        run = train(spec, bar_data(), SHORT, seed=7, out={out!r}, **words)
    if run:
        np.savez({out!r} + "/weights.npz", *load_trained(run).model.get_weights())
"""


@pytest.mark.slow
def test_a_run_goes_on_with_other_replicas_to_rounding(on_four_cpus, tmp_path):
    def run(out, devices, *, stops=False, goes_on=False):
        values = {"out": str(out), "devices": devices, "stops": stops, "goes_on": goes_on}
        on_four_cpus(PROGRAM.format(**values))

    run(tmp_path / "one", "cpu")
    whole = np.load(tmp_path / "one" / "weights.npz")
    for before, after in (("cpu:2", "cpu"), ("cpu", "cpu:4")):
        out = tmp_path / f"{before[-1]}-{after[-1]}"
        run(out, before, stops=True)
        run(out, after, goes_on=True)
        found = np.load(out / "weights.npz")
        for name in whole.files:
            np.testing.assert_allclose(found[name], whole[name], atol=1e-4, err_msg=name)
