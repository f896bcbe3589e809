"""Options of other libraries' scripts are refused with the option of reszoo to write."""

from __future__ import annotations

import re
import shlex

import pytest

from reszoo.cli import aliases
from reszoo.cli.program import command_parser
from reszoo.spec import load, load_recipe
from reszoo.spec.document.aliases import KEYS
from tests.cli.conftest import refused
from tests.spec.test_aliases import VALUES

SET = [(key, path) for key, path in KEYS["architecture"].items() if path != "extends"]
SET_RECIPE = [
    (key, path) for key, path in KEYS["recipe"].items() if key not in KEYS["architecture"]
]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--lr 0.1", "--set-recipe schedule.peak=0.1"),
        ("--lr=0.1", "--set-recipe schedule.peak=0.1"),
        ("--lr", "--set-recipe schedule.peak=LR"),
        ("--batch 64", "--set-recipe batch=64"),
        ("--batch-size 64", "--set-recipe batch=64"),
        ("--weight_decay 1e-4", "--set-recipe optimizer.weight_decay=0.0001"),
        ("--num-classes 10", "--set classes=10"),
        ("--model resnet20", "reszoo train resnet20"),
        ("--img-size 96", "--set 'input.shape=[96, 96, 3]'"),
        ("--data-dir photos", "--data folder:photos"),
        ("--pretrained", "--weights keras:imagenet"),
        ("--activation silu", "--set activation=silu"),
    ],
)
def test_an_option_is_refused_with_the_one_to_write(reszoo, words, line):
    result = reszoo("train", "resnet20", *words.split())
    refused(result, f"no option {words.split('=')[0].split()[0]}", f"write `{line}` instead")


def suggestion(reszoo, *words):
    result = reszoo(*words)
    assert result.code == 2
    line = re.search("write `(.*)` instead", result.err)
    assert line, result.err
    return shlex.split(line[1])


@pytest.mark.parametrize("option", [*aliases.OPTIONS, *(key for key, _ in SET + SET_RECIPE)])
def test_every_suggestion_is_taken(reszoo, option):
    path = {**dict(SET), **dict(SET_RECIPE)}.get(option, "batch")
    words = suggestion(reszoo, "train", "resnet20", f"--{option}", VALUES.get(path, "0.1"))
    words = words[1:] if words[0] == "reszoo" else ["train", "resnet20", *words]
    options, unknown = command_parser("train")[0].parse_known_args(words)
    assert unknown == []
    load("resnet20", options.overrides)
    load_recipe("short32", options.set_recipe)


def test_a_command_is_told_only_what_it_takes(reszoo):
    refused(reszoo("tune", "digits_tiny", "--trials", "3"), "--set strategy.trials=3")
    refused(
        reszoo("export", "x", "--target", "server-cpu", "--quantize", "int8"),
        "--set quantization=int8",
    )
    assert "schedule.peak" not in reszoo("build", "resnet20", "--lr", "1").err
