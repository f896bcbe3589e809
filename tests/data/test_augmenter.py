from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reszoo.data import ImageFormat
from reszoo.data.augment.augmenter import Augmenter, require_supported_channels
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.seeded_random import Draws, example_keys
from reszoo.errors import UserError
from reszoo.spec.augmentation import Augmentation, ColorJitter, RandAugment, RandomErasing
from tests.data.conftest import picture

IMAGES = np.stack([picture(seed, 16, 20) for seed in range(30)])
KEYS = example_keys(np.arange(30))
EACH = {
    "flip": True,
    "shift": 2,
    "crop_padding": 3,
    "rotation": 15.0,
    "translation": 0.1,
    "randaugment": RandAugment(probability=1.0),
    "trivial_augment": True,
    "jitter": ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "lighting": 0.1,
    "cutout": 5,
    "erasing": RandomErasing(probability=1.0, fill="noise"),
}
ALL = Augmentation(**{name: value for name, value in EACH.items() if name != "trivial_augment"})


def changed(augmentation, images=IMAGES, keys=KEYS, seed=0, epoch=0, **options):
    return Augmenter(augmentation, Draws(seed, epoch), (9, 8, 7)).augment(images, keys, **options)


@pytest.mark.parametrize("name", EACH)
def test_each_augmentation_changes_images_and_leaves_what_came_in(name):
    before = IMAGES.copy()
    recipe = Augmentation(**{name: EACH[name]})
    result = changed(recipe)
    np.testing.assert_array_equal(IMAGES, before)
    assert (result.shape, result.dtype) == (IMAGES.shape, np.uint8)
    assert (result != IMAGES).any(axis=(1, 2, 3)).mean() > 0.3
    assert Augmenter(recipe, Draws(0, 0)).only_flips == (name == "flip")
    result[:] = 0  # in memory of its own
    np.testing.assert_array_equal(IMAGES, before)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**64),
    epoch=st.integers(0, 1000),
    chosen=st.lists(st.integers(0, 29), max_size=5),
)
def test_what_happens_to_an_image_depends_on_nothing_but_seed_epoch_and_key(seed, epoch, chosen):
    rows = np.array(chosen, np.int64)
    whole = changed(ALL, seed=seed, epoch=epoch)
    part = changed(ALL, keys=KEYS[rows], rows=rows, seed=seed, epoch=epoch)
    np.testing.assert_array_equal(part, whole[rows])


def test_another_seed_epoch_or_repeat_is_another_image():
    first = changed(ALL)
    others = [changed(ALL, seed=1), changed(ALL, epoch=1), changed(ALL, keys=KEYS + (1 << 40))]
    for other in others:
        assert (first != other).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", ["flip", "crop_padding", "rotation", "cutout", "erasing"])
def test_turning_one_on_does_not_change_what_another_does(name):
    # Brightness is turned on, and draws, but is too weak to change a value.
    alone = changed(Augmentation(**{name: EACH[name]}))
    with_another = changed(Augmentation(**{name: EACH[name]}, jitter=ColorJitter(brightness=1e-9)))
    np.testing.assert_array_equal(alone, with_another)


def test_grey_images_get_everything_too():
    grey = IMAGES[..., :1]
    result = Augmenter(ALL, Draws(0, 0), (9,)).augment(grey, KEYS)
    assert (result.shape, result.dtype) == (grey.shape, np.uint8)
    assert (result != grey).any(axis=(1, 2, 3)).all()


def test_images_of_other_channels_get_what_needs_no_colours():
    require_supported_channels(Augmentation(flip=True, shift=1, cutout=2, mixup=0.2), 5)
    with pytest.raises(UserError, match="jitter"):
        require_supported_channels(Augmentation(jitter=ColorJitter(contrast=1.0)), 2)
    many = np.zeros((4, 8, 8, 2), np.uint8)
    data = open_data((many, np.arange(4)))
    with pytest.raises(UserError, match="randaugment: not available for images of 2 channels"):
        batches(
            data.split(),
            ImageFormat(8, 8, 2),
            batch_size=2,
            seed=0,
            augmentation=Augmentation(randaugment=RandAugment()),
        )
