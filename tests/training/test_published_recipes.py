"""Each published recipe has the numbers of its paper, and fits the nets that it names."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from reszoo import spec
from reszoo.planning.layer_groups import group_factors
from reszoo.planning.network import plan
from reszoo.spec.lookup import find_file
from reszoo.spec.recipe import regularize
from reszoo.training.optimizers.schedules import learning_rates

STEPS = 64  # of each epoch, here
# Rates at the beginning of an epoch (from 0).
RATES = {
    "he2015_cifar": {0: 0.1, 90: 0.1, 91: 0.01, 136: 0.01, 137: 0.001, 181: 0.001},
    "he2015_cifar110": {0: 0.01, 1: 0.01, 2: 0.1, 91: 0.01, 137: 0.001},
    "he2016_cifar": {0: 0.01, 1: 0.01, 2: 0.1, 91: 0.01, 137: 0.001},
    "he2015_imagenet": {0: 0.1, 119: 0.1},
    "he2016_imagenet": {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001, 89: 0.001},
    "fair_imagenet": {29: 0.1, 30: 0.01, 60: 0.001},
    "fair_cifar": {80: 0.1, 81: 0.01, 121: 0.01, 122: 0.001},
    "torchvision_v1": {29: 0.1, 30: 0.01, 60: 0.001},
    "wrn_cifar": {0: 0.1, 59: 0.1, 60: 0.02, 120: 0.004, 160: 0.0008},
    "wrn_cifar_dropout": {60: 0.02, 120: 0.004, 160: 0.0008},
    "resnext_cifar": {146: 0.1, 147: 0.01, 221: 0.01, 222: 0.001},
    "stochastic_depth_cifar": {249: 0.1, 250: 0.01, 375: 0.001},
    "highway2015_mnist": {99: 0.01, 100: 0.001, 200: 0.0001},
    "highway2015_cifar": {199: 0.025, 200: 0.0025, 300: 0.00025, 350: 0.000025},
    "pycls_cifar": {0: 0.1, 100: 0.05, 199: 0.05 * (1 + math.cos(math.pi * 199 / 200))},
    "pycls_imagenet": {29: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001},
    "pycls_dds": {
        0: 0.02,
        4: 0.1 * (1 + math.cos(math.pi * 4 / 100)) * (0.1 * 0.2 + 0.8),
        50: 0.1,
        99: 0.1 * (1 + math.cos(math.pi * 99 / 100)),
    },
    "garden_imagenet": {0: 0.0, 1: 0.32, 5: 1.6, 30: 0.16, 60: 0.016, 80: 0.0016},
    "garden_imagenet200": {0: 0.0, 5: 0.8 * (1 + math.cos(math.pi / 40)), 100: 0.8},
    "resnet_rs": {0: 0.0, 5: 0.8 * (1 + math.cos(math.pi / 70)), 175: 0.8},
    "bag_of_tricks": {0: 0.0, 1: 0.08, 5: 0.4, 62.5: 0.2},
    "bag_of_tricks_mixup": {0: 0.0, 1: 0.08, 5: 0.4, 102.5: 0.2},
    "rsb_a1": {0: 1e-6, 5: 0.005, 302.5: 0.0025005},
    "rsb_a2": {0: 1e-6, 5: 0.005, 152.5: 0.0025005},
    "rsb_a3": {0: 1e-6, 5: 0.008, 52.5: 0.0040005},
    "torchvision_v2": {
        0: 0.005,
        1: 0.104,
        5: 0.5,
        302: 0.25 * (1 + math.cos(math.pi * 297 / 595)),
    },
    "mlperf_tiny": {0: 0.001, 1: 0.00099, 100: 0.001 * 0.99**100, 499: 6.6368515e-6},
    "page_resnet9": {0: 0.0, 2.5: 0.2, 5: 0.4, 14.5: 0.2},
}
# Epochs, batch, weight decay, whether vectors decay too.
FACTS = {
    "he2015_cifar": (182, 128, 1e-4, True),
    "he2015_imagenet": (120, 256, 1e-4, True),
    "he2016_cifar": (182, 128, 1e-4, True),
    "fair_imagenet": (90, 256, 1e-4, True),
    "torchvision_v1": (90, 256, 1e-4, True),
    "torchvision_v2": (600, 1024, 2e-5, False),
    "wrn_cifar": (200, 128, 5e-4, True),
    "resnext_cifar": (300, 128, 5e-4, True),
    "stochastic_depth_cifar": (500, 128, 1e-4, True),
    "highway2015_mnist": (300, 100, 1e-3, False),
    "highway2015_cifar": (400, 100, 1e-3, False),
    "pycls_cifar": (200, 128, 5e-4, True),
    "pycls_imagenet": (100, 256, 1e-4, True),
    "pycls_dds": (100, 256, 5e-5, True),
    "garden_imagenet": (90, 4096, 1e-4, False),
    "garden_imagenet200": (200, 4096, 1e-4, False),
    "resnet_rs": (350, 4096, 4e-5, False),
    "bag_of_tricks": (120, 1024, 1e-4, False),
    "bag_of_tricks_mixup": (200, 1024, 1e-4, False),
    "rsb_a1": (600, 2048, 0.01, False),
    "rsb_a2": (300, 2048, 0.02, False),
    "rsb_a3": (100, 2048, 0.02, False),
    "mlperf_tiny": (500, 32, 2e-4, False),
    "page_resnet9": (24, 512, 5e-4, True),
}
PUBLISHED = [name for name in spec.names_of("recipe") if spec.load_recipe(name).published]


def test_every_published_recipe_is_pinned():
    assert set(PUBLISHED) == set(RATES)


@pytest.mark.parametrize("name", RATES)
def test_the_rate_is_the_published_one(name):
    recipe = spec.load_recipe(name)
    table = learning_rates(recipe.schedule, STEPS * recipe.epochs)
    for epoch, rate in RATES[name].items():
        assert table[round(epoch * STEPS)] == pytest.approx(rate, rel=1e-5, abs=1e-12), epoch


def test_the_deepest_nets_warm_up_for_400_steps():
    # 351 steps of 128 images are an epoch of 45,000.
    schedule = spec.load_recipe("he2015_cifar110").schedule
    table = learning_rates(schedule, 351 * 182)
    assert np.flatnonzero(np.diff(table))[0] + 1 == pytest.approx(400, abs=1)
    drops = np.flatnonzero(np.diff(table))[1:] + 1
    np.testing.assert_allclose(drops, [32_000, 48_000], rtol=2e-3)


@pytest.mark.parametrize("name", FACTS)
def test_length_batch_and_decay_are_the_published_ones(name):
    recipe = spec.load_recipe(name)
    options = recipe.optimizer
    found = (recipe.epochs, recipe.batch, options.weight_decay, options.decay_norm_and_bias)
    assert found == FACTS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_nets_it_names_are_in_the_zoo_and_take_it(name):
    recipe = spec.load_recipe(name)
    assert recipe.published.keys() <= set(spec.names_of("architecture"))
    for net in recipe.published:
        rows = plan(regularize(spec.load(net), recipe.regularization))
        group_factors(rows, recipe.rate_factors)
        group_factors(rows, recipe.decay_factors)


def test_the_docs_tell_of_every_published_recipe():
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    cells = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): (row[4].strip(), row[5].strip()) for row in cells if len(row) == 8}
    for name in PUBLISHED:
        recipe = spec.load_recipe(name)
        assert told.get(name) == (str(recipe.epochs), str(recipe.batch)), name


def test_highway_nets_decay_their_last_layer_ten_times_and_biases_learn_twice_as_fast():
    for name in ("highway2015_mnist", "highway2015_cifar"):
        recipe = spec.load_recipe(name)
        assert recipe.decay_factors == {"logits": 10.0}
        assert recipe.rate_factors == {"bias": 2.0}


def test_the_nets_of_table_1_of_he_2016_are_all_named():
    # He 2016, table 1: 1x1 convolution shortcuts and the gates; none for plain nets
    table = {name for name in spec.names_of("architecture") if name.startswith("resnet110_")}
    table -= {"resnet110_b", "resnet110_stochastic"}
    assert table <= spec.load_recipe("he2016_cifar").published.keys()
    for name, top1 in spec.load_recipe("he2016_cifar").published.items():
        if name == "resnet110_c":
            assert top1 == spec.load(name).published.top1 == 87.78


def test_blocks_start_as_the_identity_where_timms_do():
    for name in ("rsb_a1", "rsb_a2", "rsb_a3"):
        recipe = spec.load_recipe(name)
        for net in recipe.published:
            rows = plan(regularize(spec.load(net), recipe.regularization)).rows
            zeros = [row for row in rows if row.attributes.get("gamma_initial") == 0.0]
            assert {row.tags.part for row in zeros} == {"norm3"}, net
            assert len(zeros) == sum(stage.depth for stage in spec.load(net).stages)


def test_the_pixels_of_he_2015_are_marked_and_reached_with_what_the_mark_says():
    text = Path(find_file("he2015_cifar", "recipe")).read_text()
    said = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    overrides = re.findall(r"--set (\S+=\w+)", said)
    assert overrides == ["input.mean=image", "input.std=1"]
    rows = {row.op for row in plan(spec.load("resnet20", overrides)).rows}
    assert "mean_image" in rows
    assert "normalize" not in rows


def test_old_recipes_are_plain_and_new_ones_are_not():
    modern = spec.load_recipe("rsb_a2")
    assert (modern.optimizer.kind, modern.loss.kind) == ("lamb", "binary_cross_entropy")
    assert not modern.optimizer.decay_norm_and_bias
    old = spec.load_recipe("he2015_cifar")
    assert (old.label_smoothing, old.ema, old.augmentation.mixes) == (0.0, None, False)
    assert not old.optimizer.nesterov
    assert not old.optimizer.decoupled
