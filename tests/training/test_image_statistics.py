"""A training finds the mean of its images, keeps it, and goes on with the same one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reszoo import spec as specs
from reszoo.data.images.resizing import training_format
from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.trained import load_trained
from reszoo.model.build import build
from reszoo.training import image_statistics
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data, bars

BOTH = ("input.contrast=global", "input.mean=image", "input.std=1")
MEAN = ("input.mean=image",)


def start(tmp_path, overrides, **options):
    spec = specs.override(TINY.model_copy(update={"name": "tiny"}), overrides)
    return train(spec, bar_data(), SHORT, seed=7, out=tmp_path, quiet=True, **options)


def expected(run, overrides):
    """The mean by hand over the images that train."""
    images = bars(120)[0].astype(np.float64)
    kept = images[kept_images(run)]
    if overrides is BOTH:
        kept = kept - kept.mean((1, 2, 3), keepdims=True)
        kept = kept / np.sqrt((kept**2).mean((1, 2, 3), keepdims=True) + 10)
    return kept.mean(0)


def kept_images(run):
    from reszoo.data.splits import stratified_holdout

    return stratified_holdout(bars(120)[1], SHORT.validation.fraction, run.seed)[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole run with global contrast normalisation."""
    return start(tmp_path_factory.mktemp("whole") / "run", BOTH)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """One epoch, with a mean image alone."""
    return start(tmp_path_factory.mktemp("source") / "run", MEAN, stop_after=1)


@pytest.mark.parametrize(
    ("name", "overrides"), [("whole", BOTH), ("source", MEAN)], ids=["contrast", "pixels"]
)
def test_the_mean_image_is_that_of_the_training_images(request, name, overrides) -> None:
    run = request.getfixturevalue(name)
    model = load_trained(run).model
    found = model.get_layer("mean_image").adapt_mean.numpy()
    np.testing.assert_allclose(found, expected(run, overrides), rtol=1e-6, atol=1e-6)
    # and it is what a stock Keras model computes with
    stock = keras.models.load_model(run.model_path)
    np.testing.assert_allclose(stock.get_layer("mean_image").mean.numpy()[0], found)


def test_resume_goes_on_with_the_same_mean_image(tmp_path, whole, assert_equal_runs) -> None:
    parts = start(tmp_path / "parts", BOTH, stop_after=1)
    parts = resume(parts, epochs=3, data=bar_data())
    assert_equal_runs(whole, parts)
    assert evaluate(parts, bar_data()).accuracy == whole.info["test_accuracy"]


def test_weights_bring_their_own_mean_image(tmp_path, source) -> None:
    images, labels = bars(60, seed=3)
    tuned = train(
        start=source,
        data={"train": (images // 2, labels)},
        recipe=SHORT,
        epochs=1,
        out=tmp_path / "tuned",
        quiet=True,
    )
    ours, theirs = (
        load_trained(run).model.get_layer("mean_image").adapt_mean.numpy()
        for run in (source, tuned)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_large_data_are_estimated_from_a_sample(monkeypatch) -> None:
    spec = specs.override(TINY, MEAN)
    data, image_format = open_data(bar_data()), training_format(spec.input)
    monkeypatch.setattr(image_statistics, "fits_in_memory", lambda *_: False)
    monkeypatch.setattr(image_statistics, "SAMPLE", 40)
    found = []
    for _ in range(2):
        model = build(spec)
        image_statistics.set_mean_image(model, spec, data.split("train"), image_format, 5)
        found.append(model.get_layer("mean_image").adapt_mean.numpy())
    np.testing.assert_array_equal(*found)
    whole = bars(120)[0].mean(0)
    assert not np.allclose(found[0], whole)
    assert np.abs(found[0] - whole).mean() < 20


@pytest.mark.parametrize(
    ("overrides", "pixel"),
    [
        ((), (100.0,)),
        (MEAN, (bars(120)[0].mean(),)),
        (BOTH, (bars(120)[0].mean(),)),
    ],
    ids=["given", "mean image", "contrast"],
)
def test_the_pixel_outside_an_image_is_the_mean_pixel(overrides, pixel) -> None:
    spec = specs.override(TINY, overrides)
    split, image_format = open_data(bar_data()).split("train"), training_format(spec.input)
    model = build(spec)
    image_statistics.set_mean_image(model, spec, split, image_format, 0)
    found = image_statistics.outside_pixel(model, spec, split, image_format, 0)
    assert found == pytest.approx(pixel, rel=1e-6)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("input.contrast=global",), "0 or image"),
        (("input.mean=image", "input.test_size=16"), "has one size"),
        (("input.mean=picture",), "image"),
    ],
)
def test_what_does_not_fit_together_is_refused(overrides, words) -> None:
    with pytest.raises(UserError, match="input") as caught:
        specs.override(TINY, overrides)
    assert words in str(caught.value)
