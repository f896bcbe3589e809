"""A folded network agrees with the canonical one, and the agreement is reported."""

import json

import keras
import numpy as np
import pytest

import reszoo
from reszoo.cli import main
from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.folding import fold
from reszoo.inference.keras_classifier import _FOLD_FROM
from reszoo.inference.predict import predict
from reszoo.inference.trained import load_trained
from reszoo.tflite.contract_file import find_tflite
from tests.training.samples import bar_data, bars


def test_in_float32_the_logits_are_the_networks_own(reference):
    images, _ = bars(7)
    network = fold(reference, computes="float32")
    expected = np.asarray(load_trained(reference).model(images, training=False))
    for pixels in (images, images.astype(np.float32)):
        np.testing.assert_allclose(network(pixels), expected, rtol=1e-4, atol=1e-5)
    assert network(images[:1]).shape == (1, 3)
    assert (network.classes, network.computes) == (("0", "1", "2"), "float32")


def test_fast_evaluation_reports_its_agreement(reference):
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
    agreements = []
    many = predict(reference, images, compared=agreements.append)
    assert [agreement.images for agreement in agreements] == [16]
    few = predict(reference, images[:-1], compared=agreements.append)
    exact = predict(reference, images, fast=False, compared=agreements.append)
    assert len(agreements) == 1
    assert few == exact[:-1] != many[:-1]
    for folded, canonical in zip(many, exact, strict=True):
        expected = dict(zip(canonical.classes, canonical.probabilities, strict=True))
        for name, probability in zip(folded.classes, folded.probabilities, strict=True):
            assert probability == pytest.approx(expected[name], abs=0.05)


def test_the_command_line_prints_the_agreement_on_stderr(reference, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(bars(1)[0][0][..., 0]).save(tmp_path / "one.png")
    command = ["predict", str(reference.path), str(tmp_path / "one.png"), "--json"]
    assert main([*command, "--fast"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1
    assert "of 1 images, logits within" in err
    assert main([*command, "--no-fast"]) == 0
    assert "logits within" not in capsys.readouterr().err


def test_networks_without_a_canonical_plan_are_not_folded(tmp_path):
    image = keras.Input((8, 8, 1))
    stock = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    images, labels = bars(_FOLD_FROM)
    with pytest.raises(UserError, match="has no spec"):
        predict(stock, images[:1], fast=True)
    assert len(predict(stock, images)) == len(images)
    fast_rows = reszoo.build(reszoo.load("resnet8_digits"), device="cpu")
    with pytest.raises(UserError, match="has no spec"):
        fold(fast_rows)
    file = tmp_path / "net.tflite"
    assert find_tflite(file) == file
    for function in (predict, evaluate):
        with pytest.raises(UserError, match="cannot be folded"):
            function(file, (images, labels), fast=True)
