"""Devices and strategy from the options of the command line."""

import pytest

from reszoo.errors import UserError
from reszoo.runs.cluster.devices import (
    Devices,
    choose_strategy,
    parse_devices,
    require_divisible_batch,
)


@pytest.mark.parametrize(
    ("words", "devices"),
    [
        ("cpu", Devices("cpu")),
        ("cpu:4", Devices("cpu", (0, 1, 2, 3))),
        ("cpu:0,cpu:1", Devices("cpu", (0, 1))),
        ("gpu", Devices("gpu")),
        ("GPU:1", Devices("gpu", (1,))),
        ("gpu:0,2", Devices("gpu", (0, 2))),
        ("gpu:0,gpu:2", Devices("gpu", (0, 2))),
        ("tpu", Devices("tpu")),
        ("tpu:my-tpu", Devices("tpu", name="my-tpu")),
    ],
)
def test_devices_are_read(words, devices):
    assert parse_devices(words) == devices


@pytest.mark.parametrize(
    "words", ["", "cpu:0", "cpu:2,3", "gpu:1,1", "gpu:x", "npu:1", "cpu:0,gpu:1"]
)
def test_devices_that_are_none_are_refused(words):
    with pytest.raises(UserError, match="cannot be read"):
        parse_devices(words)


@pytest.mark.parametrize(
    ("devices", "word", "others", "strategy"),
    [
        (1, "auto", {}, "one device"),
        (4, "auto", {}, "mirrored"),
        (1, "mirrored", {}, "mirrored"),
        (4, "auto", {"workers": 2}, "multiworker"),
        (1, "auto", {"tpu": True}, "tpu"),
        (1, "one", {"workers": 2}, "one device"),
    ],
)
def test_a_strategy_is_chosen(devices, word, others, strategy):
    assert choose_strategy(devices, word, **others) == strategy


@pytest.mark.parametrize(
    ("devices", "word", "words"),
    [(1, "multiworker", "no other workers"), (2, "one", "one device"), (1, "best", "unknown")],
)
def test_a_strategy_without_its_devices_is_refused(devices, word, words):
    with pytest.raises(UserError, match=words):
        choose_strategy(devices, word)


def test_a_batch_that_does_not_divide_names_those_that_would():
    require_divisible_batch(96, 4, accumulate=3)
    with pytest.raises(UserError, match="such as 96 or 100"):
        require_divisible_batch(97, 4)
    with pytest.raises(UserError, match="2 replicas times 4 parts") as caught:
        require_divisible_batch(7, 2, accumulate=4)
    assert "such as 8" in str(caught.value)
