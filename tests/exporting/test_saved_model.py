"""The SavedModel opens and computes without Keras."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from reszoo.data import ImageData
from reszoo.errors import UserError
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.inference.trained import TrainedModel
from tests.programs import Programs

from .conftest import TEST, digits

# Its arguments are the folder, the images and the output file.
CLIENT = """
import sys
import numpy as np
import tensorflow as tf

folder, pictures, outputs_file = sys.argv[1:]
images = np.load(pictures)
model = tf.saved_model.load(folder)
results = {}
for dtype, name in (("uint8", "serving_uint8"), ("float32", "serving_default")):
    for batch in (1, 5):
        outputs = model.signatures[name](image=tf.constant(images[:batch].astype(dtype)))
        for key, value in outputs.items():
            results[f"{dtype} {batch} {key}"] = value.numpy()
np.savez(outputs_file, **results)
"""


@pytest.mark.parametrize(
    ("net", "target", "tolerance"),
    [
        ("residual", "server", 1e-4),
        ("highway", "server-cpu", 0.25),
        pytest.param("highway", "server", 1e-4, marks=pytest.mark.slow),
        pytest.param("residual", "server-cpu", 0.25, marks=pytest.mark.slow),
    ],
)
def test_saved_model_agrees_with_keras_without_keras(
    bundle_of: Callable[[str, str], Bundle],
    nets: dict[str, TrainedModel],
    tensorflow_alone: Programs,
    tmp_path: Path,
    net: str,
    target: str,
    tolerance: float,
) -> None:
    images = digits()[0][TEST][:5]
    np.save(tmp_path / "images.npy", images)
    folder = bundle_of(net, target).saved_model
    tensorflow_alone(CLIENT, folder, tmp_path / "images.npy", tmp_path / "answers.npz")
    answers = np.load(tmp_path / "answers.npz")

    logits = np.asarray(nets[net].model(images))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for dtype in ("uint8", "float32"):
        for batch in (1, 5):
            case = f"{dtype} {batch}"
            np.testing.assert_allclose(answers[f"{case} logits"], logits[:batch], atol=tolerance)
            np.testing.assert_allclose(
                answers[f"{case} probabilities"], probabilities[:batch], atol=tolerance / 10
            )
            np.testing.assert_array_equal(answers[f"{case} class"], logits[:batch].argmax(-1))
    np.testing.assert_array_equal(answers["uint8 5 logits"], answers["float32 5 logits"])


def test_folded_saved_model_holds_its_weights_once_and_in_bfloat16(
    bundle_of: Callable[[str, str], Bundle], nets: dict[str, TrainedModel]
) -> None:
    bundle = bundle_of("highway", "server-cpu")
    text = (bundle.saved_model / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(text).meta_graphs[0].graph_def
    functions = [function.node_def for function in saved.library.function]
    tensors = [
        node.attr["value"].tensor
        for node in chain(saved.node, *functions)
        if node.op == "Const" and node.attr["dtype"].type == tf.bfloat16.as_datatype_enum
    ]
    convolutions = [
        tuple(layer.kernel.shape)
        for layer in nets["highway"].model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    shapes = [tuple(side.size for side in tensor.tensor_shape.dim) for tensor in tensors]
    assert sorted(shape for shape in shapes if len(shape) == 4) == sorted(convolutions)
    assert not any("VarHandleOp" in {node.op for node in nodes} for nodes in functions)
    assert bundle.contract["files"]["saved_model"]["arithmetic"] == "bfloat16"
    (comparison,) = bundle.parity.comparisons
    assert comparison.arithmetic == "bfloat16"
    assert 0 < comparison.max_probability_difference < 0.1


def test_folding_in_float32_stays_within_the_float32_limits(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    bundle = export(
        nets["highway"],
        "server-cpu",
        out=tmp_path / "bundle",
        data=data,
        overrides=["folded=float32"],
    )
    (comparison,) = bundle.parity.comparisons
    assert (comparison.arithmetic, bundle.gate) == ("float32", "passed")
    assert comparison.max_probability_difference < 1e-5


def test_a_model_of_stock_layers_cannot_be_folded(data: ImageData, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 1))
    stock = keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(image)))
    with pytest.raises(UserError, match="has no spec"):
        export(stock, "server-cpu", out=tmp_path / "bundle", data=data)
