"""Recipes load, and contradictory ones are refused."""

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.optimizer import EMA, Optimizer, Schedule
from reszoo.spec.recipe import Regularization, default_recipe_name, regularize

MINIMAL = {"name": "one", "epochs": 1, "batch": 8, "schedule": "constant"}


@pytest.mark.parametrize("name", spec.names_of("recipe"))
def test_every_shipped_recipe_loads_and_survives_being_written(name, tmp_path):
    recipe = spec.load_recipe(name)
    assert recipe.name == name
    assert recipe.title
    assert recipe.source
    (tmp_path / "again.yaml").write_text(spec.to_yaml(recipe))
    assert spec.load_recipe(tmp_path / "again.yaml") == recipe


@pytest.mark.parametrize(
    ("side", "name"),
    [(8, "short8"), (28, "short28"), (32, "short32"), (64, "short32"), (128, "short_photo")],
)
def test_there_is_a_short_recipe_for_every_image_size(side, name):
    assert default_recipe_name(side, side) == name
    assert name in spec.names_of("recipe")


@pytest.mark.parametrize("size", [(1, 256), (187, 1), (1, 8)])
def test_signals_have_recipes_without_flips_and_crops(size):
    for fine_tuning, name in ((False, "short_signal"), (True, "finetune_signal")):
        assert default_recipe_name(*size, images=90, fine_tuning=fine_tuning) == name
        augmentation = spec.load_recipe(name).augmentation
        assert not augmentation.flip
        assert augmentation.resized_crop is augmentation.scale_jitter is None
    assert default_recipe_name(1, 1) == "short8"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch": "many"}, "batch"),
        ({"optimiser": "sgd"}, "optimizer"),
        ({"optimizer": {"kind": "adamw", "decay": "coupled"}}, "adamw decays decoupled"),
        ({"schedule": {"kind": "step"}}, "drops in a step schedule"),
        ({"schedule": {"kind": "cosine", "drops": [0.5]}}, "drops in a step schedule"),
        ({"schedule": {"kind": "step", "drops": [0.8, 0.5]}}, "rising"),
        ({"augmentation": {"resized_crop": {"area": [1.0, 0.1]}}}, "smallest, largest"),
        ({"validation": {"fraction": 0.9}}, "fraction"),
        ({"precision": "float8"}, "float8"),
        ({"loss": {"threshold": 0.2}}, "only binary_cross_entropy"),
        ({"optimizer": {"kind": "lamb", "decay": "coupled"}}, "lamb has a decay of its own"),
        ({"optimizer": {"lookahead": {"every": 0}}}, "every"),
        ({"schedule": {"kind": "step", "drops": ["90/90"]}}, "drops"),
        ({"schedule": {"kind": "step", "drops": ["30/0"]}}, "drops"),
        ({"schedule": {"kind": "step", "drops": [0.0, 0.5]}}, "rising"),
        ({"schedule": {"kind": "cosine", "warmup": "five"}}, "warmup"),
        ({"schedule": "exponential"}, "never reaches 0"),
        ({"schedule": {"kind": "plateau", "warmup": 0.1}}, "no warmup"),
        ({"schedule": {"kind": "plateau"}, "validation": {"fraction": 0.0}}, "held out"),
        ({"schedule": {"kind": "cosine", "warmup": 0.6, "hold": 0.4}}, "less than 1 together"),
        ({"ema": 1.5}, "ema"),
        ({"early_stopping": 0}, "early_stopping"),
        ({"early_stopping": {"epochs": 3}}, "patience"),
        ({"early_stopping": 3, "validation": {"fraction": 0.0}}, "held out"),
        ({"ema": {"every": 3}}, "kept"),
    ],
)
def test_a_contradictory_recipe_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        spec.from_mapping(MINIMAL | changes, "recipe")


def test_a_wrong_word_lists_the_allowed_values():
    fields = MINIMAL | {"augmentation": {"flip": "sideways"}}
    with pytest.raises(UserError) as caught:
        spec.from_mapping(fields, "recipe")
    assert "true or false or alternating" in str(caught.value)
    assert "choose one of them" in str(caught.value)


def test_a_share_of_the_training_may_be_written_as_epochs_of_epochs():
    fields = {"kind": "step", "drops": ["60/200", " 81.92 / 163.84", 0.75], "warmup": "5/200"}
    schedule = Schedule.model_validate(fields)
    assert schedule.drops == (60 / 200, 0.5, 0.75)
    assert schedule.warmup == 5 / 200
    assert Schedule.model_validate(schedule.model_dump()) == schedule


def test_an_average_may_be_just_its_share():
    recipe = spec.from_mapping(MINIMAL | {"ema": 0.99}, "recipe")
    assert recipe.ema == EMA(kept=0.99, every=1, ramp=False)
    longer = spec.from_mapping(MINIMAL | {"ema": {"kept": 0.9, "every": 32}}, "recipe")
    assert longer.ema == EMA(kept=0.9, every=32)


def test_decay_defaults_to_decoupled_for_adamw_and_lamb_only():
    assert not Optimizer(kind="sgd").decoupled
    assert not Optimizer(kind="adam").decoupled
    assert not Optimizer(kind="rmsprop").decoupled
    assert Optimizer(kind="lamb").decoupled
    assert Optimizer(kind="adamw").decoupled
    assert Optimizer(kind="sgd", decay="decoupled").decoupled


def test_regularisation_changes_what_it_names_and_nothing_else():
    architecture = spec.load("resnet20")
    assert regularize(architecture, Regularization()) == architecture
    changed = regularize(
        architecture, Regularization(survival_probability=0.5, dropout=0.25, zero_gamma=True)
    )
    assert changed.block.survival_probability == 0.5
    assert changed.block.zero_gamma
    assert changed.head.dropout == 0.25
    undone = changed.model_copy(update={"block": architecture.block, "head": architecture.head})
    assert undone == architecture


def test_a_dropout_factor_softens_every_dropout_of_the_network():
    net = spec.load("highway10_w16_mnist")
    softer = regularize(net, Regularization(dropout_factor=0.5))
    assert (softer.input.dropout, softer.head.dropout) == (net.input.dropout / 2, 0.0)
    rates = [
        (a.after.dropout, b.after.dropout / 2)
        for a, b in zip(softer.stages, net.stages, strict=True)
    ]
    assert all(rate == pytest.approx(expected) for rate, expected in rates)
    assert softer.stages[0].depth == net.stages[0].depth
    on_shortcuts = regularize(
        spec.load("resnet110_dropout_shortcut"), Regularization(dropout_factor=0.5)
    )
    assert on_shortcuts.block.shortcut.dropout == 0.25
    undropped = regularize(spec.load("resnet20"), Regularization(dropout_factor=0.5))
    assert undropped == spec.load("resnet20")
