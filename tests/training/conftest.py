"""One uninterrupted run, against which the others are held, and a process with four devices."""

import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest

from tests.training.processes import four_cpus
from tests.training.samples import SHORT, TINY, bar_data


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """A finished run of three epochs."""
    from reszoo.training.train import train

    out = tmp_path_factory.mktemp("reference") / "run"
    return train(TINY, bar_data(), SHORT, seed=7, out=out, quiet=True)


@pytest.fixture(scope="session")
def first_epoch(tmp_path_factory):
    """The folder of the same run, stopped after its first epoch; `begun` is a copy."""
    from reszoo.training.train import train

    out = tmp_path_factory.mktemp("begun") / "run"
    words = {"seed": 7, "stop_after": 1, "test": False, "quiet": True}
    return train(TINY, bar_data(), SHORT, out=out, **words).path


@pytest.fixture
def begun(first_epoch, tmp_path):
    """A run of three epochs that was stopped after the first, and may be changed."""
    from reszoo.runs import Run

    return Run.open(shutil.copytree(first_epoch, tmp_path / "run"))


@pytest.fixture(scope="session")
def assert_equal_runs():
    """Fails unless two runs have the same metrics, byte for byte, and the same weights."""
    import numpy as np

    from reszoo.inference.trained import load_trained

    def check(run, other):
        for name in ("metrics.jsonl", "architecture.yaml", "recipe.yaml"):
            assert (run.path / name).read_bytes() == (other.path / name).read_bytes(), name
        if run.model_path.read_bytes() == other.model_path.read_bytes():
            return
        ours, theirs = load_trained(run).model, load_trained(other).model
        for one, two in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)

    return check


@pytest.fixture(scope="session")
def on_four_cpus():
    """Runs a program that must succeed in a process with four devices: a CPU is divided once."""
    process = four_cpus()
    yield process
    process.close()
