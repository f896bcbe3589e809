"""A training started from Python records the command that repeats it."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest

import reszoo
from reszoo import spec
from reszoo.cli.program import command_parser
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.training import equivalent_command as module
from reszoo.training import train as train_module
from reszoo.training.options import DataOptions, DistributionOptions, InitialWeightsOptions
from reszoo.training.training_arguments import TrainingArguments

RUN = Path("runs/mine-1")


@pytest.fixture
def called(monkeypatch):
    """Returns the arguments of a call of `reszoo.train`, which is not carried out."""

    class Stop(Exception):
        pass

    found = []

    def stop(*args, **kwargs):
        found.append(TrainingArguments(*args, **kwargs))
        raise Stop

    monkeypatch.setattr(train_module, "TrainingArguments", stop)

    def call(*args, **kwargs):
        with pytest.raises(Stop):
            reszoo.train(*args, **kwargs)
        return found[-1]

    return call


def words_of(arguments):
    return module.equivalent_command(arguments, RUN)


def parsed(words):
    parser, _ = command_parser("train")
    return parser.parse_args(words[1:])


def test_names_and_options_come_back_from_the_command_line(called):
    arguments = called(
        "resnet8_digits",
        "folder:my photos",
        "short8",
        overrides=["block.connection=highway", "classes=3"],
        recipe_overrides=["schedule.peak=0.05"],
        weights="timm:resnet18.a1_in1k",
        freeze=("stem", "stage1"),
        unfreeze_at=3,
        epochs=4,
        seed=7,
        classes=3,
        class_weights="balanced",
        skip_bad_images=True,
        checkpoint_every="10min",
        keep_checkpoints=3,
        devices="cpu:2",
        xla=False,
        accumulate=2,
        sync_norm=True,
        out="there",
    )
    assert module.unrepeatable(arguments) == []
    options = parsed(words_of(arguments))
    assert (options.spec, options.recipe, options.out) == ("resnet8_digits", "short8", "there")
    assert options.overrides == ["block.connection=highway", "classes=3"]
    assert options.set_recipe == ["schedule.peak=0.05"]
    assert (options.epochs, options.seed, options.unfreeze_at) == (4, 7, 3)
    for given in (arguments.data, arguments.initial, arguments.distribution):
        for name in given.__dataclass_fields__:
            if name not in ("data_dir", "xla") and (value := getattr(given, name)) is not None:
                assert getattr(options, name) in (value, None) or name == "peer_timeout"
    assert options.devices == "cpu:2"
    assert options.xla == "off"
    assert (options.checkpoint_every, options.keep_checkpoints) == ("10min", 3)


def test_what_is_not_said_is_left_to_the_defaults(called):
    words = words_of(called("resnet8_digits"))
    assert words == ["reszoo", "train", "resnet8_digits", "--data", "digits", "--seed", "0"]


def test_a_start_is_named_by_its_folder(called):
    start = Run(Path("runs/first"), {})
    taught = parsed(words_of(called("resnet8_digits", teacher=[start, "runs/b"])))
    assert taught.teacher == ["runs/first", "runs/b"]
    words = words_of(called(start=start, quantize="int8"))
    assert words[2:] == [
        *("--data", "digits", "--from", "runs/first", "--quantize", "int8", "--seed", "0")
    ]


def test_a_network_and_a_recipe_in_memory_are_those_of_the_run(called):
    network = spec.load("resnet8_digits", ["block.connection=highway"])
    recipe = spec.load_recipe("short8", ["epochs=2"])
    options = parsed(words_of(called(network, "digits", recipe)))
    assert options.spec == str(RUN / "architecture.yaml")
    assert options.recipe == str(RUN / "recipe.yaml")
    assert parsed(words_of(called(spec.load("resnet20")))).spec == "resnet20"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"data": (np.zeros((4, 8, 8, 1)), np.array([0, 1, 0, 1]))}, "images in memory"),
        ({"class_weights": {"a": 2.0}}, "weights by class"),
        ({"start": object()}, "a starting network in memory"),
        ({"teacher": ["runs/a", object()]}, "a teacher in memory"),
        ({"callbacks": [object()]}, "callbacks"),
    ],
)
def test_what_no_command_can_say_is_named(called, options, reason):
    facts = module.command_facts(called("resnet8_digits", **options), RUN)
    assert facts == {"command_note": f"Started from Python with {reason}; no command repeats it"}


def test_every_argument_of_train_is_in_the_command_or_changes_no_result():
    kinds = (
        *(DataOptions, InitialWeightsOptions, DistributionOptions, CheckpointPolicy),
        TrainingArguments,
    )
    said = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert set(inspect.signature(reszoo.train).parameters) - said == {
        *("stop_after", "test", "command", "quiet")
    }
