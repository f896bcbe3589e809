"""The signature for JPEG bytes computes what `reszoo predict` does, without Keras."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.data.images.decoding import read_image
from reszoo.data.images.resizing import resize_to_format
from reszoo.exporting.inference_graph import build_inference_graph
from reszoo.exporting.saved_model import write_saved_model
from reszoo.inference.metrics import softmax
from reszoo.inference.predict import predict
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.spec import from_mapping
from tests.programs import Programs

# Its arguments are the folder, the JPEGs in a .npz, and the output file.
CLIENT = """
import sys
import numpy as np
import tensorflow as tf

folder, inputs, outputs = sys.argv[1:]
with np.load(inputs) as given:
    jpegs = tf.constant([given[name].tobytes() for name in sorted(given.files)])
classify = tf.saved_model.load(folder).signatures["classify_jpeg"]
np.savez(outputs, **{key: value.numpy() for key, value in classify(jpeg=jpegs).items()})
shapes = {key: value.shape.as_list() for key, value in classify(jpeg=jpegs[:0]).items()}
assert shapes == {"probabilities": [0, 5], "logits": [0, 5], "class": [0]}, shapes
for bad in (b"garbage", b"", jpegs[0].numpy()[:300]):
    try:
        classify(jpeg=tf.constant([bad]))
    except tf.errors.InvalidArgumentError:
        continue
    raise SystemExit(f"{bad[:10]!r} was classified")
"""
SIZES = ((24, 32), (25, 32), (71, 40), (300, 411))
"""The network's own, and three others."""


def jpeg(height: int, width: int, channels: int) -> bytes:
    """Smooth colours with noise; RGB has subsampled chroma, as cameras write it."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(9 * down + 4 * across + shift) for shift in range(channels)]
    noise = np.random.default_rng(height).normal(0, 20, (height, width, channels))
    pixels = np.clip(120 + 60 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    options = {"subsampling": 2} if channels == 3 else {}
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=88, **options)
    return file.getvalue()


def network(channels: int, crop: float, interpolation: str) -> TrainedModel:
    """An untrained network of a rectangular input."""
    spec = from_mapping(
        {
            "name": "small",
            "input": {
                "shape": [24, 32, channels],
                "mean": 110,
                "std": 60,
                "crop": crop,
                "interpolation": interpolation,
            },
            "stem": {"kind": "conv", "filters": 4, "kernel": 3},
            "block": {"transform": "basic", "connection": "highway"},
            "stages": [{"depth": 1, "width": 4}],
            "classes": 5,
        }
    )
    return TrainedModel(build(spec, seed=1), spec, tuple("abcde"), None)


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    return [jpeg(*size, channels) for size in SIZES for channels in (1, 3)]


@pytest.mark.parametrize(
    ("channels", "crop", "interpolation", "folded"),
    [(3, 0.875, "bicubic", "none"), (1, 1.0, "bilinear", "none"), (3, 1.0, "bilinear", "bfloat16")],
)
def test_jpeg_bytes_give_the_answers_of_predict_bit_for_bit_without_keras(
    jpegs: list[bytes],
    tensorflow_alone: Programs,
    tmp_path: Path,
    channels: int,
    crop: float,
    interpolation: str,
    folded: str,
) -> None:
    import tensorflow as tf

    trained = network(channels, crop, interpolation)
    write_saved_model(build_inference_graph(trained), tmp_path / "saved", folded)
    arrays = {f"{index:02}": np.frombuffer(each, np.uint8) for index, each in enumerate(jpegs)}
    np.savez(tmp_path / "jpegs.npz", **arrays)
    names = ("saved", "jpegs.npz", "answers.npz")
    tensorflow_alone(CLIENT, *(tmp_path / name for name in names))
    answers = np.load(tmp_path / "answers.npz")
    assert set(answers.files) == {"probabilities", "logits", "class"}

    pixels = [resize_to_format(read_image(each), trained.image_format) for each in jpegs]
    signature = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_uint8"]
    expected = signature(image=tf.constant(np.stack(pixels)))
    for key in answers.files:
        np.testing.assert_array_equal(answers[key], expected[key].numpy())
    if folded == "none":
        predictions = predict(trained, jpegs, top=1)
        best = softmax(answers["logits"])
        assert [each.probabilities[0] for each in predictions] == best.max(-1).tolist()
        names = [trained.classes[index] for index in answers["class"]]
        assert [each.classes[0] for each in predictions] == names


def test_a_network_that_no_jpeg_fits_has_no_such_signature(tmp_path: Path) -> None:
    import tensorflow as tf

    write_saved_model(build_inference_graph(network(2, 1.0, "bilinear")), tmp_path)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    assert set(signatures) == {"serving_default", "serving_uint8"}


def test_weights_are_stored_once(tmp_path: Path) -> None:
    trained = network(3, 1.0, "bilinear")
    graph = build_inference_graph(trained)
    write_saved_model(graph, tmp_path)
    [values] = (tmp_path / "variables").glob("*.data-*")
    # The rest is the record of which objects there are.
    assert values.stat().st_size < graph.weight_bytes + 20_000
