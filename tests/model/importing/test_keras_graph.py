"""A whole Keras model is matched by its graph, whatever its layers are called."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.spec import from_mapping, load
from tests.model.importing.weight_samples import difference, images, logits, randomise

layers = keras.layers
PIXELS = images(2, 32, 32, 3)


def resnet8(epsilon: float = 1e-3, last_activation: str = "relu") -> keras.Model:
    """MLPerf Tiny's ResNet-8 as its training script builds it, with Keras's own names."""
    keras.backend.clear_session()

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        return layers.Conv2D(filters, kernel, strides=stride, padding="same")(x)

    def norm(x: Any) -> Any:
        return layers.BatchNormalization(epsilon=epsilon)(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.Activation("relu")(norm(conv(inputs, 16, 3)))
    for filters, stride, function in ((16, 1, "relu"), (32, 2, "relu"), (64, 2, last_activation)):
        y = layers.Activation("relu")(norm(conv(x, filters, 3, stride)))
        y = norm(conv(y, filters, 3))
        if stride > 1:
            x = conv(x, filters, 1, stride)
        x = layers.Activation(function)(layers.add([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    randomise(model)
    return model


def as_keras_2(document: dict[str, Any]) -> dict[str, Any]:
    """The config as tf.keras 2.3 wrote it."""
    for layer in document["config"]["layers"]:
        config = layer["config"]
        if layer["class_name"] == "InputLayer":
            config["batch_input_shape"] = config.pop("batch_shape")
        if layer["class_name"] == "BatchNormalization":
            config["axis"] = [3]
        for key in ("module", "registered_name", "build_config"):
            layer.pop(key, None)
        for key in ("groups", "dtype"):
            config.pop(key, None)
        histories: list[Any] = []
        for node in layer["inbound_nodes"]:
            histories.append([[*tensor, {}] for tensor in _histories(node)])
        layer["inbound_nodes"] = histories
    return document


def _histories(value: Any) -> list[Any]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [value["config"]["keras_history"]]
        return [found for part in value.values() for found in _histories(part)]
    return (
        [found for part in value for found in _histories(part)] if isinstance(value, list) else []
    )


def write(
    path: Path, model: keras.Model, change: Callable[[Any], Any] = lambda document: document
) -> str:
    model.save(path)
    with h5py.File(path, "a") as file:
        document = change(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(document)
    return str(path)


@pytest.mark.parametrize("version", [2, 3])
def test_mlperf_tinys_network_gives_its_logits(version: int, tmp_path: Path) -> None:
    model = resnet8()
    source = write(tmp_path / "x.h5", model, as_keras_2 if version == 2 else lambda same: same)
    assert {"conv2d", "conv2d_6", "batch_normalization_4"} <= {one.name for one in model.layers}
    loaded = load_pretrained(load("resnet8_mlperf"), source)
    model.layers[-1].activation = keras.activations.linear
    theirs = logits(keras.Model(model.input, model.layers[-1](model.layers[-2].output)), PIXELS)
    assert difference(logits(loaded.model, PIXELS), theirs) < 1e-5
    biases = [weight for weight in loaded.model.weights if weight.name == "bias"]
    assert len(biases) == 10
    assert all(np.abs(np.asarray(bias)).max() > 0 for bias in biases)
    assert loaded.spec.weights is not None


def test_layers_stored_in_another_order_are_matched_alike(tmp_path: Path) -> None:
    """The graph decides, not the order in which layers lie in the file."""

    def shuffle(document: dict[str, Any]) -> dict[str, Any]:
        document["config"]["layers"] = document["config"]["layers"][::-1]
        return document

    model, spec = resnet8(), load("resnet8_mlperf")
    first = load_pretrained(spec, write(tmp_path / "a.h5", model)).model
    second = load_pretrained(spec, write(tmp_path / "b.h5", model, shuffle)).model
    np.testing.assert_array_equal(logits(first, PIXELS), logits(second, PIXELS))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"epsilon": 1e-5}, "norm epsilon 1e-05.*missing.*norm epsilon 0.001"),
        ({"last_activation": "silu"}, "left over: 1 x activation silu; missing: 1 x activation"),
    ],
)
def test_another_network_of_the_same_shapes_is_refused(
    options: dict[str, Any], found: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "x.h5", resnet8(**options))
    with pytest.raises(UserError, match="is not resnet8_mlperf") as error:
        load_pretrained(load("resnet8_mlperf"), source)
    assert re.search(found, str(error.value.found))


def test_layers_connected_in_another_way_are_refused(tmp_path: Path) -> None:
    def bypass(document: dict[str, Any]) -> dict[str, Any]:
        nodes = {layer["config"]["name"]: layer for layer in document["config"]["layers"]}
        _histories(nodes["add"]["inbound_nodes"])[0][0] = "batch_normalization_1"
        return document

    source = write(tmp_path / "x.h5", resnet8(), bypass)
    with pytest.raises(UserError, match="is not resnet8_mlperf") as error:
        load_pretrained(load("resnet8_mlperf"), source)
    assert "connected in another way" in str(error.value.found)


def test_other_classes_are_told_and_a_new_head_is_drawn(tmp_path: Path) -> None:
    source, spec = write(tmp_path / "x.h5", resnet8()), load("resnet8_mlperf", ["classes=3"])
    with pytest.raises(UserError, match="has 10 classes, not 3"):
        load_pretrained(spec, source)
    assert load_pretrained(spec, source, new_head=True).model.output_shape == (None, 3)


def twins() -> tuple[Any, keras.Model]:
    """A block whose shortcut and transform are equal layers."""
    spec = from_mapping(
        {
            "name": "twins",
            "input": {"shape": [8, 8, 3], "mean": 0, "std": 1},
            "padding": "same",
            "activation": "none",
            "norm": {"epsilon": 1e-3, "momentum": 0.99},
            "stem": {"kind": "conv", "filters": 4, "kernel": 3},
            "block": {"transform": "conv", "kernel": 1, "connection": "residual",
                      "shortcut": {"kind": "projection"}},
            "stages": [{"depth": 1, "width": 8}],
            "classes": 2,
        }
    )  # fmt: skip
    keras.backend.clear_session()

    def conv(x: Any, filters: int, kernel: int) -> Any:
        x = layers.Conv2D(filters, kernel, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(epsilon=1e-3)(x)

    inputs = keras.Input((8, 8, 3))
    x = conv(inputs, 4, 3)
    x = layers.add([conv(x, 8, 1), conv(x, 8, 1)])
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    return spec, model


def signal_net(kernel: tuple[int, int] = (1, 5)) -> tuple[Any, keras.Model]:
    """A net on signals, of kernels, strides and pools with two sides."""
    spec = from_mapping(
        {
            "name": "signals",
            "input": {"shape": [1, 32, 1], "mean": 0, "std": 1},
            "padding": "same",
            "norm": {"epsilon": 1e-3, "momentum": 0.99},
            "stem": {
                "filters": 4,
                "kernel": [1, 9],
                "stride": [1, 2],
                "pool": {"kind": "max", "size": [1, 3], "stride": [1, 2]},
            },
            "block": {"transform": "conv", "kernel": [1, 5], "connection": "plain"},
            "stages": [{"depth": 1, "width": 6, "stride": [1, 2]}],
            "classes": 2,
        }
    )
    keras.backend.clear_session()

    def conv(x: Any, filters: int, kernel: tuple[int, int]) -> Any:
        x = layers.Conv2D(filters, kernel, strides=(1, 2), padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization(epsilon=1e-3)(x))

    inputs = keras.Input((1, 32, 1))
    x = layers.MaxPooling2D((1, 3), strides=(1, 2), padding="same")(conv(inputs, 4, (1, 9)))
    x = layers.Flatten()(layers.AveragePooling2D((1, 4))(conv(x, 6, kernel)))
    model = keras.Model(inputs, layers.Dense(2)(x))
    randomise(model)
    return spec, model


def test_a_net_on_signals_gives_its_logits_and_another_kernel_is_told(tmp_path: Path) -> None:
    spec, model = signal_net()
    loaded = load_pretrained(spec, write(tmp_path / "x.h5", model)).model
    signals = images(2, 1, 32, 1)
    assert difference(logits(loaded, signals), logits(model, signals)) < 1e-5
    _, other = signal_net(kernel=(5, 1))
    with pytest.raises(UserError, match="is not signals") as error:
        load_pretrained(spec, write(tmp_path / "y.h5", other))
    assert "conv 5x1 stride 1x2" in str(error.value.found)


def test_layers_that_could_be_exchanged_are_refused(tmp_path: Path) -> None:
    spec, model = twins()
    with pytest.raises(UserError, match="cannot be told apart") as error:
        load_pretrained(spec, write(tmp_path / "x.h5", model))
    assert "could be exchanged" in str(error.value.found)


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize(
    "config",
    ["{", "[]", "{}", '{"config": 3}', '{"class_name": "Sequential", "config": {"layers": []}}',
     "[" * 100_000],
)  # fmt: skip
def test_a_damaged_graph_is_told(config: str, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    resnet8().save(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = config[:60_000]
    with pytest.raises(UserError) as error:
        load_pretrained(load("resnet8_mlperf"), str(path))
    assert error.value.hint
