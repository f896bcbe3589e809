from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from reszoo.data import ImageFormat
from reszoo.data.augment import mixup
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.seeded_random import Draws
from reszoo.spec.augmentation import Augmentation
from tests.data.conftest import picture

BOTH = Augmentation(mixup=0.4, cutmix=1.0)
SIX = ImageFormat(6, 7, 3)


@pytest.fixture(scope="module")
def photos():
    images = np.stack([picture(seed, 6, 7) for seed in range(40)])
    return open_data((images, np.arange(40) % 5))


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 6, 7, 3), dtype=np.uint8)
    return images, mixup.one_hot(np.arange(count) % 10, 10)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**40),
    count=st.integers(0, 9),
    alphas=st.sampled_from([(0.1, 0.0), (0.0, 0.2), (1.0, 1.0), (0.2, 1.0)]),
)
def test_mixing_keeps_shapes_and_labels_sum_to_one(seed, count, alphas):
    images, labels = drawn(count)
    recipe = Augmentation(mixup=alphas[0], cutmix=alphas[1])
    mixed, targets = mixup.mixup_or_cutmix(images, labels, recipe, Draws(seed, 0), np.arange(count))
    assert (mixed.shape, mixed.dtype) == (images.shape, np.uint8)
    assert (targets.shape, targets.dtype) == (labels.shape, np.float32)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)
    assert (targets >= 0).all()
    if count % 2:  # The last has no partner.
        np.testing.assert_array_equal(mixed[-1], images[-1])
        np.testing.assert_array_equal(targets[-1], labels[-1])


def test_mixup_blends_as_the_labels_say():
    images, labels = drawn(200)
    recipe = Augmentation(mixup=1.0)
    mixed, targets = mixup.mixup_or_cutmix(images, labels, recipe, Draws(0, 0), np.arange(200))
    partner = np.arange(200) ^ 1
    kept = targets[np.arange(200), np.arange(200) % 10][:, None, None, None].astype(np.float64)
    expected = kept * images + (1 - kept) * images[partner]
    np.testing.assert_allclose(mixed, expected, atol=0.5 + 1e-6)
    # Both of a pair keep the same share.
    np.testing.assert_array_equal(kept[::2], kept[1::2])


def test_cutmix_exchanges_a_rectangle_as_large_as_the_labels_say():
    images, labels = drawn(200)
    recipe = Augmentation(cutmix=1.0)
    mixed, targets = mixup.mixup_or_cutmix(images, labels, recipe, Draws(0, 0), np.arange(200))
    partner = np.arange(200) ^ 1
    own, other = (mixed == images).all(axis=-1), (mixed == images[partner]).all(axis=-1)
    assert (own | other).all()
    kept = targets[np.arange(200), np.arange(200) % 10]
    np.testing.assert_allclose(own.mean(axis=(1, 2)), kept, atol=1e-6)
    for place in range(200):
        rows, columns = other[place].any(axis=1), other[place].any(axis=0)
        assert other[place].sum() == rows.sum() * columns.sum()


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 8.0])
def test_shares_follow_the_beta_distribution(alpha):
    draws = Draws(1, 2)(np.arange(4000), slice(0, 1))[:, 0]
    found = mixup.beta_shares(alpha, draws)
    # Kolmogorov-Smirnov at 4,000: a distance of 0.026 has a probability of 1 %.
    assert scipy.stats.kstest(found, scipy.stats.beta(alpha, alpha).cdf).statistic < 0.03


def test_boxes_leave_the_share_asked_for_unless_cut_off():
    kept = np.linspace(0, 1, 50)
    top, bottom, left, right = mixup.cutmix_boxes((300, 200), kept, np.full((50, 2), 0.5))
    np.testing.assert_allclose((bottom - top) * (right - left) / 60_000, 1 - kept, atol=0.02)
    top, bottom, left, right = mixup.cutmix_boxes((300, 200), kept, np.zeros((50, 2)))
    assert (top == 0).all() and (left == 0).all()


def test_cutmix_and_mixup_share_the_pairs():
    draws = Draws(0, 0)(np.arange(1000), slice(0, 1))[:, 0]
    for share in (0.0, 0.3, 1.0):
        cut = mixup.cutmix_mask(BOTH.model_copy(update={"cutmix_share": share}), draws)
        assert abs(cut.mean() - share) < 0.05
    assert mixup.cutmix_mask(Augmentation(cutmix=1.0, cutmix_share=0.0), draws).all()
    assert not mixup.cutmix_mask(Augmentation(mixup=1.0, cutmix_share=1.0), draws).any()


def read(data, **options):
    options = {"batch_size": 12, "seed": 3, "augmentation": BOTH, **options}
    parts = list(batches(data.split(), SIX, **options).as_numpy_iterator())
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("workers", [2, 3, 4, 12])
def test_workers_mix_what_one_alone_would_mix(photos, workers, in_memory):
    # Parts of 6, 4, 3 and 1: in the odd ones a partner is another worker's image.
    options = {"drop_remainder": True, "in_memory": in_memory}
    whole = read(photos, **options)
    parts = [read(photos, share=(worker, workers), **options) for worker in range(workers)]
    for column, expected in enumerate(whole):
        joined = np.concatenate(
            [part[column].reshape(3, -1, *expected.shape[1:]) for part in parts], axis=1
        )
        np.testing.assert_array_equal(joined.reshape(expected.shape), expected)


def test_mixing_goes_on_after_a_start_and_equals_in_memory_and_streamed(photos):
    memory, stream = read(photos, in_memory=True), read(photos, in_memory=False)
    late = read(photos, start=2)
    for column in range(2):
        np.testing.assert_array_equal(memory[column], stream[column])
        np.testing.assert_array_equal(memory[column][24:], late[column])


def test_soft_labels_have_a_known_shape(photos):
    images, targets = batches(
        photos.split(), SIX, batch_size=8, seed=0, augmentation=BOTH, drop_remainder=True
    ).element_spec
    assert (images.shape.as_list(), targets.shape.as_list()) == ([8, 6, 7, 3], [8, 5])
    assert targets.dtype.name == "float32"
