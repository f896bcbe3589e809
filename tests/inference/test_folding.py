"""A folded network predicts and evaluates as the canonical one does, and says how closely."""

import json

import keras
import numpy as np
import pytest

import reszoo
from reszoo.cli import main
from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.folding import fold
from reszoo.inference.predict import _FOLD_FROM, predict
from reszoo.inference.tflite_classifier import is_tflite
from reszoo.inference.trained import load_trained
from tests.training.samples import bar_data, bars


def test_in_float32_the_logits_are_the_networks_own(reference):
    images, _ = bars(7)
    network = fold(reference, computes="float32")
    expected = np.asarray(load_trained(reference).model(images, training=False))
    for given in (images, images.astype(np.float32)):
        np.testing.assert_allclose(network(given), expected, rtol=1e-4, atol=1e-5)
    assert network(images[:1]).shape == (1, 3)
    assert (network.classes, network.computes) == (("0", "1", "2"), "float32")


def test_fast_evaluation_says_how_it_agrees(reference):
    exact, fast = evaluate(reference, bar_data()), evaluate(reference, bar_data(), fast=True)
    assert exact.agreement is None
    assert fast.accuracy == pytest.approx(exact.accuracy, abs=0.05)
    assert fast.agreement.computes == fold(reference).computes
    assert 0 < fast.agreement.images <= 64
    assert fast.agreement.same_class > 0.9
    assert 0 < fast.agreement.max_difference < 0.05 * fast.agreement.max_logit
    assert fast.to_dict()["agreement"]["same_first_class"] == fast.agreement.same_class


def test_many_images_are_predicted_by_the_folded_network(reference):
    images, _ = bars(_FOLD_FROM)
    told = []
    many = predict(reference, images, compared=told.append)
    assert [found.images for found in told] == [16]
    few = predict(reference, images[:-1], compared=told.append)
    exact = predict(reference, images, fast=False, compared=told.append)
    assert len(told) == 1
    assert few == exact[:-1] != many[:-1]
    for one, other in zip(many, exact, strict=True):
        shares = dict(zip(other.classes, other.probabilities, strict=True))
        for name, share in zip(one.classes, one.probabilities, strict=True):
            assert share == pytest.approx(shares[name], abs=0.05)


def test_the_command_line_tells_the_agreement_apart_from_the_answers(reference, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(bars(1)[0][0][..., 0]).save(tmp_path / "one.png")
    command = ["predict", str(reference.path), str(tmp_path / "one.png"), "--json"]
    assert main([*command, "--fast"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1
    assert "of 1 images, logits within" in err
    assert main([*command, "--no-fast"]) == 0
    assert "logits within" not in capsys.readouterr().err


def test_what_cannot_be_folded_says_so(tmp_path):
    image = keras.Input((8, 8, 1))
    stock = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    images, labels = bars(_FOLD_FROM)
    with pytest.raises(UserError, match="does not say what it is made of"):
        predict(stock, images[:1], fast=True)
    assert len(predict(stock, images)) == len(images)
    fast_rows = reszoo.build(reszoo.load("resnet8_digits"), device="cpu")
    with pytest.raises(UserError, match="does not say what it is made of"):
        fold(fast_rows)
    file = tmp_path / "net.tflite"
    assert is_tflite(file)
    for ask in (predict, evaluate):
        with pytest.raises(UserError, match="cannot be folded"):
            ask(file, (images, labels), fast=True)
