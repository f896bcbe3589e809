"""Signals, images one pixel high: generated, trained, exported as int8, predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reszoo
from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.spec import load
from reszoo.tflite.inspection import inspect_file

KINDS = ("chirp", "sine", "square")
SAMPLES = 64
SMALL = [
    f"input.shape=[1,{SAMPLES},1]",
    "stem.filters=8",
    "stages=[{depth: 1, width: 8}, {depth: 1, width: 16, stride: [1, 2]}]",
]
Examples = tuple[np.ndarray, np.ndarray]


def signals(count: int, seed: int) -> Examples:
    """Noisy waves: float (count, 1, samples) in 0..255, and their classes."""
    random = np.random.default_rng(seed)
    time = np.arange(SAMPLES) / SAMPLES
    labels = np.arange(count) % 3
    start, speed, size = (
        random.uniform(*limits, (count, 1)) for limits in ((0, 1), (2, 5), (1, 2))
    )
    phase = start + speed * time + 6 * (labels == 0)[:, None] * time**2
    waves = np.sin(2 * np.pi * phase)
    waves = np.where((labels == 2)[:, None], np.sign(waves), waves)
    noisy = 127.5 + 50 * size * waves + random.normal(0, 8, waves.shape)
    return np.clip(noisy, 0, 255)[:, None], labels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The signal net, smaller, after three epochs."""
    train, test = signals(480, 1), signals(120, 2)
    return reszoo.train(
        load("resnet10_signal", SMALL),
        data={"train": train, "test": test},
        epochs=3,
        recipe_overrides=["schedule.peak=0.01", "augmentation.shift=2"],
        seed=3,
        out=tmp_path_factory.mktemp("signals") / "run",
        quiet=True,
    )


def test_a_signal_net_learns_its_classes_in_a_few_steps(run: Run) -> None:
    result = reszoo.evaluate(run, data={"test": signals(120, 4)}, split="test")
    assert result.accuracy > 0.85


@pytest.mark.parametrize(
    ("axes", "hint"),
    [((slice(None), slice(None)), "--set input.shape=[1,64,1]"), ((slice(None), 0), "[:, None]")],
)
def test_signals_that_are_too_short_or_have_no_height_are_told_what_fits(
    axes: tuple[slice, slice | int], hint: str, tmp_path: Path
) -> None:
    pixels, labels = signals(30, 6)
    with pytest.raises(UserError) as caught:
        reszoo.train("resnet10_signal", data=(pixels[axes], labels), out=tmp_path / "run")
    assert hint in str(caught.value.hint)


def test_a_run_predicts_a_signal_from_a_file_as_it_does_from_its_array(
    run: Run, tmp_path: Path
) -> None:
    pixels, labels = signals(12, 5)
    paths = []
    for number, signal in enumerate(np.rint(pixels)):
        # In 16 bits; the high byte is the signal.
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(signal.astype(np.uint16) * 257).save(paths[-1])
    found = reszoo.predict(run, paths, top=1)
    direct = reszoo.predict(run, [*np.rint(pixels)[..., None].astype(np.uint8)], top=1)
    assert [one.classes for one in found] == [one.classes for one in direct]
    right = [int(one.classes[0]) == label for one, label in zip(found, labels, strict=True)]
    assert sum(right) >= 8


def test_an_int8_file_of_a_signal_net_agrees_with_keras(run: Run) -> None:
    data = {"train": signals(480, 1), "test": signals(120, 2)}
    bundle = reszoo.export(run, "microcontroller", data=data)
    operators = {operator.name for operator in inspect_file(bundle.tflite).operators}
    assert {"CONV_2D", "ADD"} <= operators
    assert "PAD" not in operators
    assert reszoo.verify(bundle.path).held
