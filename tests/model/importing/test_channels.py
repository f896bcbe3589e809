"""RGB weights are adapted to grey and four-channel images as documented."""

from __future__ import annotations

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.importing.pretrained import load_pretrained
from tests.model.importing.weight_samples import (
    difference,
    images,
    logits,
    randomise,
    small,
    torch_state,
    write_timm,
)

EVEN = ("input.mean=100.0", "input.std=50.0")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An RGB network whose channels are normalised alike, and its file."""
    spec = small("resnet18", *EVEN)
    model = build(spec)
    randomise(model)
    return model, str(write_timm(tmp_path_factory.mktemp("rgb"), torch_state(spec, model)))


def test_a_grey_image_is_seen_as_three_equal_channels(source):
    model, path = source
    grey = load_pretrained(small("resnet18", *EVEN, "input.shape=[32,32,1]"), path)
    pixels = images(2, 32, 32, 1)
    expected = logits(model, np.repeat(pixels, 3, axis=-1))
    assert difference(logits(grey.model, pixels), expected) < 1e-5


def test_a_fourth_channel_gets_the_mean_of_three(source):
    model, path = source
    four = load_pretrained(small("resnet18", *EVEN, "input.shape=[32,32,4]"), path)
    old = np.asarray(model.get_layer("stem_conv").kernel)
    new = np.asarray(four.model.get_layer("stem_conv").kernel)
    assert np.array_equal(new[:, :, :3], old)
    np.testing.assert_allclose(new[:, :, 3], old.mean(axis=2), rtol=1e-6)


def test_mean_and_std_follow_the_channels(source):
    _, path = source
    grey = load_pretrained(small("resnet18", "input.shape=[32,32,1]"), path).spec
    assert grey.input.mean == pytest.approx(((123.675 + 116.28 + 103.53) / 3,))
    four = load_pretrained(small("resnet18", "input.shape=[32,32,4]"), path).spec
    assert four.input.std == pytest.approx((58.395, 57.12, 57.375, 172.89 / 3))


@pytest.mark.parametrize("channels", [2, 5])
def test_other_numbers_of_channels_are_refused(source, channels):
    _, path = source
    shape = f"input.shape=[32,32,{channels}]"
    with pytest.raises(UserError, match=f"cannot read images of {channels}"):
        load_pretrained(small("resnet18", shape), path)
    with pytest.raises(UserError, match=f"cannot read images of {channels}"):
        load_pretrained(small("resnet18", *EVEN, shape), path)


def test_weights_made_for_grey_images_load_into_a_grey_net(tmp_path):
    spec = small("resnet18", *EVEN, "input.shape=[32,32,1]")
    model = build(spec)
    randomise(model)
    path = str(write_timm(tmp_path, torch_state(spec, model)))
    pixels = images(2, 32, 32, 1)
    assert (
        difference(logits(load_pretrained(spec, path).model, pixels), logits(model, pixels)) < 1e-6
    )
    with pytest.raises(UserError, match="weights for 1 channels"):
        load_pretrained(small("resnet18", *EVEN), path)
