"""A network built for a device saves itself as the canonical network, also through Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.build import build
from reszoo.model.device_model import DeviceModel
from reszoo.model.layer_factories import DEVICE_LAYERS
from reszoo.planning.network import plan
from reszoo.spec import Architecture, load, names_of
from tests.model.specs import small
from tests.programs import Programs

_OPEN_IN_PLAIN_KERAS = """
import sys
import keras, numpy
model = keras.models.load_model(sys.argv[1])
numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0))
assert not any("reszoo" in name for name in sys.modules), "reszoo was imported"
"""


def spec(connection: str = "highway") -> Architecture:
    """Maps large enough for the compiled layers."""
    return small(
        input={"shape": [16, 16, 3], "mean": [120.0, 110.0, 100.0], "std": 60.0},
        stem={"filters": 64},
        block={"transform": "conv" if connection == "highway" else "basic"}
        | {"connection": connection},
        stages=[{"depth": 2, "width": 64}],
    )


def images(count: int = 4) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, 16, 16, 3), np.uint8)


def fitted(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> keras.Model:
    """After two epochs of one step of `fit`."""
    model.compile(
        keras.optimizers.SGD(0.001, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    labels = np.array([0, 1, 2, 3])
    model.fit(images(), labels, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    return model


@pytest.fixture(scope="module")
def plain_keras() -> Iterator[Programs]:
    """Runs programs that do not import reszoo."""
    programs = Programs()
    yield programs
    programs.close()


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize(
    ("connection", "dtype"),
    [
        ("highway", "float32"),
        ("residual", "mixed_bfloat16"),
        pytest.param("highway", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param("residual", "float32", marks=pytest.mark.slow),
    ],
)
def test_stock_checkpoint_of_a_fast_network_opens_without_reszoo(
    tmp_path: Path, plain_keras: Programs, dtype: str, connection: str
) -> None:
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "net.keras")
    model = build(spec(connection), dtype=dtype, device="cpu", seed=0)
    assert any(isinstance(layer, DEVICE_LAYERS) for layer in model.layers)
    fitted(model, [checkpoint])
    np.save(tmp_path / "images.npy", images())
    files = ("net.keras", "images.npy", "logits.npy")
    plain_keras(_OPEN_IN_PLAIN_KERAS, *(tmp_path / name for name in files))
    found = np.load(tmp_path / "logits.npy")
    exact = build(spec(connection), device="cpu")
    exact.set_weights(model.get_weights())
    np.testing.assert_allclose(found, exact(images()), atol=1e-5)
    if dtype == "float32":
        np.testing.assert_allclose(found, model(images()), atol=1e-5)


def test_file_holds_the_optimizer_as_keras_files_do(tmp_path: Path) -> None:
    model = fitted(build(spec(), device="cpu", seed=0), [])
    model.save(tmp_path / "net.keras")
    opened = keras.models.load_model(tmp_path / "net.keras")
    assert type(opened) is not DeviceModel
    assert len(model.optimizer.variables) == len(opened.optimizer.variables)
    pairs = zip(model.optimizer.variables, opened.optimizer.variables, strict=True)
    for expected, found in pairs:
        np.testing.assert_array_equal(found, expected)
    assert int(opened.optimizer.iterations) == 2


def test_weight_files_fit_the_canonical_network_and_come_back(tmp_path: Path) -> None:
    model = fitted(build(spec(), dtype="mixed_bfloat16", device="cpu", seed=0), [])
    model.save_weights(tmp_path / "net.weights.h5")
    canonical = build(spec(), seed=1)
    canonical.load_weights(tmp_path / "net.weights.h5")
    again = build(spec(), dtype="mixed_bfloat16", device="cpu", seed=1)
    again.load_weights(tmp_path / "net.weights.h5")
    weights = {one.path: one.numpy() for one in model.weights}
    for other in (canonical, again):
        for one in other.weights:
            np.testing.assert_array_equal(one, weights[one.path])


def test_stock_backup_restores_a_fast_network_with_its_optimizer(tmp_path: Path) -> None:
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            if epoch == 0:
                raise KeyboardInterrupt

    def backup() -> keras.callbacks.Callback:
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    whole = fitted(build(spec(), device="cpu", seed=0), [])
    with pytest.raises(KeyboardInterrupt):
        fitted(build(spec(), device="cpu", seed=0), [backup(), Stop()])
    resumed = fitted(build(spec(), device="cpu", seed=5), [backup()])
    for expected, found in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_loss_that_keras_cannot_make_again_leaves_the_network_savable(tmp_path: Path) -> None:
    model = build(spec(), device="cpu", seed=0)
    losses: Callable[..., tf.Tensor] = lambda _, logits: tf.reduce_mean(logits)  # noqa: E731
    model.compile("sgd", losses)
    model.save(tmp_path / "net.keras")
    opened = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(opened(images()), model(images()), atol=1e-5)


@pytest.mark.parametrize(
    "name", [name for name in names_of("architecture") if name in ("resnet20", "highway19_cifar10")]
)
def test_fast_variables_stand_in_the_canonical_order(name: str) -> None:
    canonical = build(plan(load(name)))
    for dtype in ("float32", "mixed_bfloat16"):
        fast = build(load(name), dtype=dtype, device="cpu")
        assert [one.path for one in fast.trainable_variables] == [
            one.path for one in canonical.trainable_variables
        ]
