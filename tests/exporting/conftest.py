"""A small residual and a small highway network, trained once, exported once per target."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from reszoo.data import ImageData
from reszoo.data.open_data import open_data
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.spec import from_mapping
from tests.programs import Programs

NETS = ("residual", "highway")
TRAINING, TEST = slice(0, 1437), slice(1437, 1797)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 digits: uint8 (1797, 8, 8, 1) and their labels."""
    bunch = load_digits()
    return np.rint(bunch.images[..., None] * (255 / 16)).astype(np.uint8), bunch.target


def small_net(connection: str) -> TrainedModel:
    """An untrained network with a strided block for 8x8 digits."""
    spec = from_mapping(
        {
            "name": f"small-{connection}",
            "input": {"shape": [8, 8, 1], "mean": 80, "std": 96},
            "stem": {"kind": "conv", "filters": 8, "kernel": 3},
            "block": {"transform": "basic", "connection": connection, "dropout": 0.1},
            "stages": [{"depth": 1, "width": 8}, {"depth": 1, "width": 16, "stride": 2}],
            "classes": 10,
        }
    )
    return TrainedModel(build(spec, seed=1), spec, tuple("0123456789"), None)


@pytest.fixture(scope="session")
def data() -> ImageData:
    images, labels = digits()
    return open_data(
        {"train": (images[TRAINING], labels[TRAINING]), "test": (images[TEST], labels[TEST])}
    )


@pytest.fixture(scope="session")
def nets() -> dict[str, TrainedModel]:
    """Trained to about 97 %."""
    images, labels = digits()
    trained = {}
    for connection in NETS:
        keras.utils.set_random_seed(0)
        net = small_net(connection)
        net.model.compile(
            keras.optimizers.Adam(4e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        net.model.fit(images[TRAINING], labels[TRAINING], batch_size=32, epochs=6, verbose=0)
        trained[connection] = net
    return trained


@pytest.fixture(scope="session")
def bundle_of(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Bundle]:
    """Returns the bundle of a network and a target, exported on first use."""
    bundles: dict[tuple[str, str], Bundle] = {}
    folder = tmp_path_factory.mktemp("bundles")

    def bundle(net: str, target: str) -> Bundle:
        if (net, target) not in bundles:
            out = folder / f"{net}-{target}"
            bundles[net, target] = export(nets[net], target, out=out, data=data)
        return bundles[net, target]

    return bundle


@pytest.fixture(scope="session")
def onnx_bundle_of(bundle_of: Callable[[str, str], Bundle]) -> Callable[[str], Bundle]:
    """Returns the bundle of a network for ONNX."""
    pytest.importorskip("tf2onnx", reason="the extra reszoo[onnx] is not installed")
    return lambda net: bundle_of(net, "onnx")


@pytest.fixture(scope="session")
def tensorflow_alone() -> Iterator[Programs]:
    """Runs programs where neither Keras nor reszoo can be imported."""
    programs = Programs(
        "import sys; sys.modules |= dict.fromkeys(['keras', 'reszoo']); import tensorflow"
    )
    yield programs
    programs.close()


@pytest.fixture(scope="session")
def bare_python() -> Iterator[Programs]:
    """Runs programs that import what they need themselves, and neither TensorFlow nor reszoo."""
    programs = Programs()
    yield programs
    programs.close()
