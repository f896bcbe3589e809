"""The zoo's Keras layouts are the networks of keras.applications: the same weights, equal logits.

Ours take raw images; theirs take the result of `preprocess_input` (BGR in version 1, for which the
first kernel's input channels are reversed).
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reszoo.model.build import build_canonical
from reszoo.planning.network import plan
from reszoo.spec import load

STAGES = {"conv2": "stage1", "conv3": "stage2", "conv4": "stage3", "conv5": "stage4"}
OUTSIDE = {
    "conv1_conv": "stem_conv",
    "conv1_bn": "stem_norm",
    "post_bn": "final_norm_norm",
    "predictions": "head_logits",
}
PARTS = {
    "0_conv": "shortcut_conv",
    "0_bn": "shortcut_norm",
    "preact_bn": "preactivation_norm",
    "1_conv": "conv1",
    "2_conv": "conv2",
    "3_conv": "conv3",
}
VERSIONS = {
    "v1_keras": keras.applications.resnet.preprocess_input,
    "v2_keras": keras.applications.resnet_v2.preprocess_input,
}


def row_name(layer: str, version: str) -> str:
    """Our name of one of their layers, `conv4_block23_1_bn` for example."""
    if layer in OUTSIDE:
        return OUTSIDE[layer]
    stage, block, part = layer.split("_", 2)
    if part.endswith("_bn") and part[0] in "123":
        # they number a normalisation by the convolution before it; before-normalised nets by the
        # one behind it
        ours = f"norm{int(part[0]) + (version == 'v2_keras')}"
    else:
        ours = PARTS[part]
    return f"{STAGES[stage]}_{block}_{ours}"


def randomise(model: keras.Model) -> None:
    """Gives every weight a value of its own, the same in every run."""
    generator = np.random.default_rng(5)
    for weight in model.weights:
        if weight.name == "kernel":
            spread = np.sqrt(2 / np.prod(weight.shape[:-1]))
            weight.assign(generator.normal(0.0, spread, weight.shape))
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean", "bias"):
            weight.assign(generator.normal(0.0, 0.2, weight.shape))


def transfer(theirs: keras.Model, ours: keras.Model, version: str) -> None:
    left = {layer.name for layer in ours.layers if layer.weights}
    for layer in theirs.layers:
        if not layer.weights:
            continue
        name = row_name(layer.name, version)
        values = layer.get_weights()
        if name == "stem_conv" and version == "v1_keras":
            values[0] = values[0][:, :, ::-1]
        ours.get_layer(name).set_weights(values)
        left.remove(name)
    assert not left


# Odd and even maps pad differently, and a net of one size can hide the other's mistake.
SIZES = {50: [(65, 65), (64, 96)], 101: [(64, 65)], 152: [(65, 64)]}


@pytest.mark.quick_rows(2)
@pytest.mark.parametrize(
    "depth", [50, *(pytest.param(depth, marks=pytest.mark.slow) for depth in (101, 152))]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_logits_agree_with_keras_applications(version: str, depth: int) -> None:
    constructor = f"ResNet{depth}V2" if version == "v2_keras" else f"ResNet{depth}"
    for height, width in SIZES[depth]:
        theirs = getattr(keras.applications, constructor)(
            weights=None, input_shape=(height, width, 3), classes=7, classifier_activation=None
        )
        randomise(theirs)
        spec = load(
            f"resnet{depth}_{version}", [f"input.shape=[{height}, {width}, 3]", "classes=7"]
        )
        ours = build_canonical(plan(spec))
        transfer(theirs, ours, version)
        images = np.random.default_rng(0).uniform(0, 255, (2, height, width, 3)).astype("float32")
        images[1] *= 0.2  # a dark one, so that the two logits differ
        expected = np.asarray(theirs(VERSIONS[version](images.copy()), training=False))
        found = np.asarray(ours(images, training=False))
        assert found.shape == expected.shape == (2, 7)
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert error < 1e-4
        difference = np.abs(expected[0] - expected[1]).max() / np.abs(expected).max()
        assert difference > 0.1


@pytest.mark.parametrize("depth", SIZES)
@pytest.mark.parametrize("version", VERSIONS)
def test_normalisations_have_the_epsilon_and_momentum_of_theirs(version: str, depth: int) -> None:
    for row in plan(load(f"resnet{depth}_{version}")).rows:
        if row.op == "norm":
            assert (row.attributes["epsilon"], row.attributes["momentum"]) == (1.001e-5, 0.99)
