"""Notes that a training begins with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from reszoo.spec import load, override
from reszoo.training.run_record import _shrinking


@pytest.mark.parametrize(
    ("median", "smallest", "note"),
    [
        ((240, 320), (200, 200), "; --set input.shape=[96,96,3] keeps more detail"),
        ((240, 320), (40, 200), "; --set input.shape=[40,40,3] keeps more detail"),
        ((240, 320), (20, 20), ""),
        ((64, 64), (64, 64), None),
    ],
)
def test_photographs_that_lose_much_are_noted_with_what_to_set(median, smallest, note):
    data = SimpleNamespace(facts={"median": list(median)}, smallest=smallest)
    job = SimpleNamespace(data=data, architecture=load("resnet20"))
    begin = "images of about 320x240 are resized to 32x32"
    assert _shrinking(job) == ([] if note is None else [begin + note])
    if note:
        change = note.split()[2]
        larger = override(job.architecture, [change])
        assert max(larger.input.shape) <= 96
