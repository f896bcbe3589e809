"""A small RGB network and its highway twin, trained once, and their bundles."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reszoo.data import ImageData
from reszoo.data.open_data import open_data
from reszoo.exporting.export import export
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.spec import from_mapping

SIDE = 32
COLORS = {
    "red": (200, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 70, 200),
    "yellow": (210, 200, 50),
    "grey": (128, 128, 128),
}
PATTERNS = ("rows", "columns")
CLASSES = tuple(f"{color} {pattern}" for color in COLORS for pattern in PATTERNS)


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Striped images, uint8 (count, 32, 32, 3), and their labels 0..9: a colour and a direction."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    color = np.array(list(COLORS.values()))[labels // 2]
    wave = np.sin(
        np.arange(SIDE) * draw.uniform(0.6, 1.4, (count, 1)) + draw.uniform(0, 6, (count, 1))
    )
    rows = (labels % 2 == 0)[:, None, None]
    pattern = np.where(rows, wave[:, :, None], wave[:, None, :])
    noise = draw.normal(0, 40, (count, SIDE, SIDE, 3))
    images = color[:, None, None] + 45 * pattern[..., None] + noise
    return np.clip(np.rint(images), 0, 255).astype(np.uint8), labels


def colour_data() -> ImageData:
    return open_data({"train": stripes(600, seed=1), "test": stripes(200, seed=2)})


def colour_net(connection: str = "residual") -> TrainedModel:
    """A network of three stages for 32x32 RGB images, trained for some seconds."""
    import keras

    spec = from_mapping(
        {
            "name": f"stripes-{connection}",
            "input": {"shape": [SIDE, SIDE, 3], "mean": 128, "std": 64},
            "padding": "same",
            "stem": {"kind": "conv", "filters": 8, "kernel": 3},
            "block": {"transform": "basic", "connection": connection},
            "stages": [
                {"depth": 1, "width": 8},
                {"depth": 1, "width": 16, "stride": 2},
                {"depth": 1, "width": 32, "stride": 2},
            ],
            "classes": len(CLASSES),
        }
    )
    keras.utils.set_random_seed(0)
    net = TrainedModel(build(spec, seed=1), spec, CLASSES, None)
    net.model.compile(
        keras.optimizers.Adam(4e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    images, labels = stripes(600, seed=1)
    net.model.fit(images, labels, batch_size=32, epochs=5, verbose=0)
    return net


@pytest.fixture(scope="session")
def data() -> ImageData:
    return colour_data()


@pytest.fixture(scope="session")
def test_images() -> np.ndarray:
    """The 200 images of the test split, uint8 (200, 32, 32, 3)."""
    return stripes(200, seed=2)[0]


@pytest.fixture(scope="session")
def net_of() -> Callable[[str], TrainedModel]:
    """Returns the network of a connection, trained on first use."""
    nets: dict[str, TrainedModel] = {}

    def net(connection: str = "residual") -> TrainedModel:
        if connection not in nets:
            nets[connection] = colour_net(connection)
        return nets[connection]

    return net


@pytest.fixture(scope="session")
def bundle_of(
    net_of: Callable[[str], TrainedModel],
    data: ImageData,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Returns the folder of the bundle of a target, exported on first use.

    It is called with the target, the connection and overrides of the target's fields.
    """
    bundles: dict[tuple[str, ...], Path] = {}
    folder = tmp_path_factory.mktemp("bundles")

    def bundle(target: str, connection: str = "residual", *overrides: str) -> Path:
        key = (target, connection, *overrides)
        if key not in bundles:
            out = folder / str(len(bundles))
            export(net_of(connection), target, out=out, data=data, overrides=list(overrides))
            bundles[key] = out
        return bundles[key]

    return bundle


def keras_probabilities(net: TrainedModel, images: np.ndarray) -> np.ndarray:
    """The probabilities of the Keras model, float32 (images, classes)."""
    from scipy.special import softmax

    return softmax(np.asarray(net.model(images.astype(np.float32), training=False)), axis=-1)
