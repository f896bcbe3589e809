"""MediaPipe's ImageClassifier opens the files for phones, and answers as reszoo does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reszoo.tflite.interpreter import TFLiteInterpreter

from .conftest import CLASSES

pytestmark = pytest.mark.edge
mediapipe = pytest.importorskip("mediapipe", reason="needs mediapipe: pip install reszoo[edge]")

TOLERANCE = {
    "mobile-float32": 1e-5,
    "mobile-float16": 1e-5,
    "mobile-dynamic": 0.01,
    # Two steps of an int8 probability.
    "mobile-int8": 2 / 256,
}


def classify(file: Path, images: np.ndarray) -> list[list]:
    """The five best categories of each image, from the file alone."""
    tasks = mediapipe.tasks
    options = tasks.vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(file)), max_results=5
    )
    with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        return [
            classifier.classify(
                mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            )
            .classifications[0]
            .categories
            for image in images
        ]


@pytest.mark.parametrize("target", TOLERANCE)
def test_its_five_best_classes_and_their_names_are_ours(
    bundle_of: Callable[..., Path], test_images: np.ndarray, target: str
) -> None:
    file = bundle_of(target) / "model.tflite"
    ours = TFLiteInterpreter(file).probabilities(test_images[:50])
    close = {"abs": TOLERANCE[target]}
    for categories, row in zip(classify(file, test_images[:50]), ours, strict=True):
        assert [each.category_name for each in categories] == [
            CLASSES[each.index] for each in categories
        ]
        scores = [each.score for each in categories]
        # In the order of our scores, and each is ours: the same five, up to ties.
        assert scores == pytest.approx(np.sort(row)[::-1][:5].tolist(), **close)
        assert scores == pytest.approx([row[each.index] for each in categories], **close)
        assert categories[0].index == row.argmax()


def test_it_refuses_int8_at_both_ends(
    bundle_of: Callable[..., Path], test_images: np.ndarray
) -> None:
    """Why `mobile-int8` takes uint8 and gives float32."""
    with pytest.raises((ValueError, RuntimeError), match="INT8"):
        classify(bundle_of("microcontroller") / "model.tflite", test_images[:1])
