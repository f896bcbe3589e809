"""The mean over views equals NumPy's, crop by crop, and the report names the views."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reszoo import spec as specs
from reszoo.cli import main
from reszoo.data import ImageFormat
from reszoo.data.images.resizing import evaluation_format, resize_to_format
from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.metrics import softmax
from reszoo.inference.predict import predict
from reszoo.inference.trained import TrainedModel
from reszoo.inference.tta import tta_formats
from reszoo.model.build import build
from reszoo.report.evaluation_summary import evaluation_text
from reszoo.spec.test_time import Views
from reszoo.training.train import train
from tests.training.samples import SHORT, TINY, bar_data

CROPPED = specs.override(TINY, ["input.crop=0.8", "input.shape=[8,8,1]"])


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 14, 12, 1)).astype("uint8")


@pytest.fixture(scope="module")
def net() -> TrainedModel:
    return TrainedModel(build(CROPPED, seed=3), CROPPED, None, None)


def by_hand(net: TrainedModel, pictures: np.ndarray, views: Views) -> np.ndarray:
    """The mean over views, from resized images and slices of them."""
    # covering 8 / 0.8 = 10 pixels: 14x12 becomes 11x10 (the longer side cut to whole pixels)
    uncropped = ImageFormat(11, 10, 1) if views.crops == 5 else None
    rows = []
    for image in pictures:
        if uncropped is None:
            crops = [resize_to_format(image, net.image_format)]
        else:
            large = resize_to_format(image, uncropped)
            starts = [(0, 0), (0, 2), (3, 0), (3, 2), (2, 1)]
            crops = [large[y : y + 8, x : x + 8] for y, x in starts]
        terms = []
        for crop in crops:
            views_of_crop = [(crop, 1.0)]
            if views.shift:
                larger = np.pad(crop, ((1, 1), (1, 1), (0, 0)), mode="reflect")
                views_of_crop = [(crop, 0.5), (larger[:-2, :-2], 0.25), (larger[2:, 2:], 0.25)]
            for view, weight in views_of_crop:
                mirrored = [view, view[:, ::-1]] if views.flip else [view]
                for pixels in mirrored:
                    logits = net.model(pixels[None].astype("float32"), training=False).numpy()
                    scores = softmax(logits) if views.average == "probabilities" else logits
                    terms.append(weight / len(mirrored) * scores[0])
        rows.append(np.sum(terms, axis=0) / len(crops))
    mean = np.array(rows)
    return mean if views.average == "probabilities" else softmax(mean)


WORDS = ["1", "flip", 5, "10", "airbench", {"shift": 1, "crops": 5}]


@pytest.mark.quick_rows(4)
@pytest.mark.parametrize("word", WORDS, ids=str)
def test_the_mean_is_that_of_numpy(net: TrainedModel, pictures: np.ndarray, word) -> None:
    views = Views.model_validate(word)
    expected = by_hand(net, pictures, views)
    predictions = predict(net, list(pictures), top=3, views=views)
    for row, prediction in zip(expected, predictions, strict=True):
        probabilities = dict(zip(prediction.classes, prediction.probabilities, strict=True))
        np.testing.assert_allclose([probabilities[name] for name in "012"], row, atol=1e-4)
    labels = np.arange(7, dtype=np.int32) % 3
    evaluation = evaluate(net, open_data({"test": (pictures, labels)}), views=views)
    assert evaluation.loss == pytest.approx(-np.log(expected[np.arange(7), labels]).mean(), 1e-3)
    assert evaluation.accuracy == (expected.argmax(1) == labels).mean()
    assert evaluation.to_dict()["views"]["count"] == views.count


def test_the_five_crops_are_the_corners_and_the_centre(pictures: np.ndarray) -> None:
    image_format = evaluation_format(CROPPED.input)
    crops = [
        resize_to_format(pictures[0], one) for one in tta_formats(Views(crops=5), image_format)
    ]
    large = resize_to_format(pictures[0], ImageFormat(11, 10, 1))
    for crop, (y, x) in zip(crops, [(0, 0), (0, 2), (3, 0), (3, 2), (2, 1)], strict=True):
        # resampling at another place may round a value to its neighbour
        np.testing.assert_allclose(crop.astype(int), large[y : y + 8, x : x + 8], atol=1)
    np.testing.assert_array_equal(crops[-1], resize_to_format(pictures[0], image_format))


def test_a_run_is_tested_with_the_views_of_its_recipe(tmp_path, capsys) -> None:
    recipe = specs.override(SHORT, ["test_time=airbench", "epochs=1"])
    run = train(TINY, bar_data(), recipe, seed=7, out=tmp_path / "run")
    assert "6 views (shifted by 1, mirrored; mean of the logits)" in capsys.readouterr().err
    line = run.metrics()[-1]
    assert (line["kind"], line["views"]) == ("evaluation", 6)
    assert run.info["test_views"]["count"] == 6
    again = evaluate(run, bar_data())
    assert (again.loss, again.views.count) == (line["loss"], 6)
    assert "6 views" in evaluation_text(again)
    single = evaluate(run, bar_data(), views="1")
    assert single.views.count == 1
    assert single.loss != again.loss
    assert "views" not in evaluation_text(single)


def test_crops_of_a_network_without_a_crop_margin_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="no corners") as refused:
        train(TINY, bar_data(), specs.override(SHORT, ["test_time=10"]), out=tmp_path / "run")
    assert "test_time" in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_unknown_views_are_refused(tmp_path, capsys) -> None:
    with pytest.raises(UserError, match="unknown views"):
        evaluate(TrainedModel(build(TINY), TINY, None, None), bar_data(), views="many")
    with pytest.raises(UserError, match="test_time"):
        specs.override(SHORT, ["test_time=many"])


def test_the_command_line_takes_views(tmp_path, capsys) -> None:
    from reszoo.model.saving import save_model

    spec = specs.load("resnet8_digits")
    save_model(build(spec, seed=0), tmp_path / "net.keras", spec=spec)
    words = ["evaluate", str(tmp_path / "net.keras"), "--data", "digits", "--views", "flip"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["views"]["flip"] is True
