"""Networks with contrast normalisation and a mean image convert and pass the gate."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from reszoo.data import ImageData
from reszoo.data.images.resizing import training_format
from reszoo.exporting.export import export
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.spec import from_mapping
from reszoo.training.image_statistics import set_mean_image
from tests.exporting.conftest import TRAINING, digits


@pytest.fixture(scope="module")
def net(data: ImageData) -> TrainedModel:
    spec = from_mapping(
        {
            "name": "contrasted",
            "input": {"shape": [8, 8, 1], "contrast": "global", "mean": "image"},
            "stem": {"kind": "conv", "filters": 8, "kernel": 3},
            "block": {"transform": "conv", "connection": "highway"},
            "norm": "none",
            "stages": [{"depth": 2, "width": 8, "after": {"pool": {"kind": "max", "size": 2}}}],
            "head": {"pool": "none"},
            "classes": 10,
        }
    )
    model = build(spec, seed=1)
    set_mean_image(model, spec, data.split("train"), training_format(spec.input), 0)
    images, labels = digits()
    keras.utils.set_random_seed(0)
    model.compile(
        keras.optimizers.Adam(4e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(images[TRAINING], labels[TRAINING], batch_size=32, epochs=5, verbose=0)
    return TrainedModel(model, spec, tuple("0123456789"), None)


@pytest.mark.parametrize(
    "target", [pytest.param("mobile-float32", marks=pytest.mark.slow), "mobile-int8"]
)
def test_contrast_and_mean_image_pass_the_gate(
    net: TrainedModel, data: ImageData, tmp_path: Path, target: str
) -> None:
    bundle = export(net, target, data=data, out=tmp_path / target)
    assert (bundle.path / "model.tflite").is_file()
