"""Small networks with random weights: studies read them as they read trained ones."""

from __future__ import annotations

import numpy as np
import pytest

import reszoo
from reszoo.spec import from_mapping

TINY = {
    "input": {"shape": [8, 8, 1], "mean": 77.8, "std": 95.9},
    "stem": {"kind": "conv", "filters": 4, "kernel": 3},
    "stages": [{"depth": 3, "width": 4}, {"depth": 2, "width": 6, "stride": 2}],
    "classes": 10,
}


def tiny(connection: str, **fields):
    """Returns a network of five blocks."""
    block = {"transform": "basic", "connection": connection, "shortcut": "zero_pad"}
    return from_mapping({"name": f"tiny_{connection}", **TINY, "block": block, **fields})


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Returns the path of a saved network of a connection; its norms have statistics."""
    folder = tmp_path_factory.mktemp("saved")

    def save(connection: str, **fields) -> str:
        path = folder / f"{connection}.keras"
        if not path.exists():
            spec = tiny(connection, **fields)
            model = reszoo.build(spec, seed=3)
            generator = np.random.default_rng(0)
            for weight in model.weights:
                if weight.name in ("gamma", "moving_variance"):
                    weight.assign(generator.uniform(0.5, 1.5, weight.shape))
            names = [f"digit {number}" for number in range(10)]
            reszoo.save_model(model, path, spec=spec, classes=names)
        return str(path)

    return save


@pytest.fixture(scope="session")
def data():
    """Sixty images of noise in ten named classes, as arrays."""
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    return images, np.arange(60) % 10
