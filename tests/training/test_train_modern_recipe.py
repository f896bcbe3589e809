"""What recipes may ask of the optimizer trains, stops and goes on exactly."""

import numpy as np
import pytest

from reszoo.inference.trained import load_trained
from reszoo.runs import Run
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data

CHANGES = {
    "a plateau": {
        "optimizer": {"kind": "sgd", "weight_decay": 5e-4},
        # So high that the loss stalls.
        "schedule": {"kind": "plateau", "peak": 2.0, "factor": 0.1, "patience": 1},
        "ema": None,
    },
    "lamb, lookahead and an average, on mixed images": {
        "optimizer": {
            "kind": "lamb",
            "weight_decay": 0.02,
            "clip_norm": 1.0,
            "clip_adaptive": 0.5,
            "lookahead": {"every": 4},
        },
        "schedule": {"kind": "constant", "peak": 0.02, "warmup": 0.0},
        "loss": {"kind": "binary_cross_entropy", "threshold": 0.2},
        "augmentation": {"mixup": 0.2, "cutmix": 1.0},
        "rate_factors": {"bias": 2.0},
        "decay_factors": {"logits": 10.0},
        "ema": {"kept": 0.9, "every": 3, "ramp": True},
        "norm_images": 48,
    },
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_that_goes_on_ends_where_the_whole_one_ends(name, tmp_path):
    recipe = type(SHORT).model_validate(SHORT.model_dump() | CHANGES[name])
    words = {"seed": 5, "quiet": True, "test": False}
    whole = train(TINY, bar_data(), recipe, epochs=4, out=tmp_path / "whole", **words)
    part = train(TINY, bar_data(), recipe, epochs=2, out=tmp_path / "part", **words)
    resume(part.path, data=bar_data(), epochs=4, quiet=True)
    part = Run.open(part.path)
    assert part.metrics() == whole.metrics()
    ours, theirs = (load_trained(run).model.weights for run in (whole, part))
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)
    rates = [line["learning_rate"] for line in whole.metrics() if line["kind"] == "epoch"]
    assert (rates[-1] < rates[0]) == (recipe.schedule.kind == "plateau")
