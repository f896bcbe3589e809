"""The ONNX file computes what Keras does, and says what is missing where it cannot be written."""

from __future__ import annotations

import builtins
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from reszoo.data import ImageData
from reszoo.errors import UserError
from reszoo.exporting import Bundle, onnx_file
from reszoo.exporting.export import export
from reszoo.exporting.onnx_file import OnnxModel
from reszoo.inference.trained import TrainedModel

from .conftest import TEST, digits


def test_the_target_names_the_extra_that_is_missing(
    nets: dict[str, TrainedModel],
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        onnx_file, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    with pytest.raises(UserError, match="packages that are not installed") as caught:
        export(nets["residual"], "onnx", out=tmp_path / "bundle", data=data)
    assert "tf2onnx" in str(caught.value.found)
    assert caught.value.hint == "pip install 'reszoo[onnx]'"
    assert not any(tmp_path.iterdir())


def test_a_file_says_what_runs_it_where_nothing_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "version_of", lambda name: None)
    with pytest.raises(UserError, match="no installed package can run"):
        OnnxModel(tmp_path / "model.onnx")


@pytest.fixture
def need_tf2onnx() -> None:
    pytest.importorskip("tf2onnx", reason="the extra reszoo[onnx] is not installed")


@pytest.mark.parametrize("net", ["residual", pytest.param("highway", marks=pytest.mark.slow)])
def test_the_file_equals_keras_for_any_batch(
    nets: dict[str, TrainedModel], onnx_bundle_of: Callable[[str], Bundle], net: str
) -> None:
    import onnx

    bundle = onnx_bundle_of(net)
    assert bundle.onnx is not None
    assert bundle.onnx_bytes == bundle.onnx.stat().st_size
    [comparison] = bundle.parity.comparisons
    assert (comparison.file, comparison.arithmetic) == ("onnx", "float32")
    assert comparison.max_probability_difference < 1e-5
    entry = bundle.contract["files"]["onnx"]
    model = OnnxModel(bundle.onnx)
    assert entry["compared_in"] == model.runtime
    assert (comparison.images, model.most_images) in ((200, None), (8, 8))
    stored = onnx.load(str(bundle.onnx))
    assert next((each.domain, each.version) for each in stored.opset_import) == ("", 18)
    assert ([each.name for each in stored.graph.input], entry["inputs"][0]["shape"]) == (
        ["image"],
        [-1, 8, 8, 1],
    )
    assert [each.name for each in stored.graph.output] == ["probabilities"]
    # Every normalisation is folded: what is left of them are biases of convolutions.
    assert "BatchNormalization" not in {node.op_type for node in stored.graph.node}
    images = digits()[0][TEST][:3]
    expected = keras.ops.softmax(nets[net].model(images)).numpy()
    for count in (1, 3):
        np.testing.assert_allclose(model.probabilities(images[:count]), expected[:count], atol=1e-5)
    assert bundle.contract["made_with"]["tf2onnx"]
    golden = bundle.contract["example"]["expected"]["onnx"]
    assert golden["class_name"] == bundle.contract["example"]["label"]


@pytest.fixture
def no_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    version_of = onnx_file.version_of
    monkeypatch.setattr(
        onnx_file, "version_of", lambda name: None if name == "onnxruntime" else version_of(name)
    )
    imported = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        assert name != "onnxruntime"
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.fixture(scope="module")
def residual_file(onnx_bundle_of: Callable[[str], Bundle]) -> Path | None:
    return onnx_bundle_of("residual").onnx


@pytest.mark.usefixtures("no_onnxruntime")
def test_a_file_is_computed_without_onnxruntime_too(
    nets: dict[str, TrainedModel], residual_file: Path
) -> None:
    model = OnnxModel(residual_file)
    assert model.runtime.startswith("onnx.reference ")
    assert model.most_images == 8
    images = digits()[0][TEST][:2]
    expected = keras.ops.softmax(nets["residual"].model(images)).numpy()
    np.testing.assert_allclose(model.probabilities(images), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("need_tf2onnx", "no_onnxruntime")
def test_a_file_is_compared_without_onnxruntime_too(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    bundle = export(nets["residual"], "onnx", out=tmp_path / "bundle", data=data)
    assert bundle.contract["files"]["onnx"]["compared_in"].startswith("onnx.reference ")
    assert bundle.parity.comparisons[0].images == 8


def plain_model(activation: str | Callable[..., Any]) -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 1))
    # Logits of raw pixels would be so large that float32 rounds them by more than the limit.
    scaled = keras.layers.Rescaling(1 / 255)(image)
    maps = keras.layers.Conv2D(4, 3, activation=activation)(scaled)
    return keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(maps)))


@pytest.mark.usefixtures("need_tf2onnx")
def test_a_plain_keras_model_is_written_as_it_is(data: ImageData, tmp_path: Path) -> None:
    bundle = export(plain_model("relu"), "onnx", out=tmp_path / "bundle", data=data)
    assert bundle.gate == "passed"


@pytest.mark.usefixtures("need_tf2onnx")
def test_an_operation_that_onnx_lacks_is_named(data: ImageData, tmp_path: Path) -> None:
    import tensorflow as tf

    def special(x: Any) -> Any:
        return tf.math.bessel_i1e(x)

    with pytest.raises(UserError, match="cannot be converted to ONNX") as caught:
        export(plain_model(special), "onnx", out=tmp_path / "bundle", data=data)
    assert "BesselI1e" in str(caught.value.found)
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("need_tf2onnx")
def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="does not open as an ONNX file"):
        OnnxModel(tmp_path / "model.onnx")
