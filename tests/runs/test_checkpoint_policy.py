"""When checkpoints are written: parsed from options, kept in run.json."""

import pytest

from reszoo.errors import UserError
from reszoo.runs.checkpoint_policy import CheckpointPolicy, Interval


@pytest.mark.parametrize(
    ("word", "interval", "text"),
    [
        ("500", Interval(steps=500), "500steps"),
        (500, Interval(steps=500), "500steps"),
        ("500steps", Interval(steps=500), "500steps"),
        ("1 step", Interval(steps=1), "1steps"),
        ("10min", Interval(seconds=600.0), "10min"),
        ("90s", Interval(seconds=90.0), "90s"),
        ("0.5h", Interval(seconds=1800.0), "30min"),
        ("1.5s", Interval(seconds=1.5), "1.5s"),
    ],
)
def test_an_interval_is_steps_or_time(word, interval, text):
    assert Interval.parse(word) == interval
    assert str(interval) == text
    assert Interval.parse(text) == interval


@pytest.mark.parametrize("word", ["0", "-5", "1.5", "0min", "min", "", "5 apples", "1e3", "10m"])
def test_other_words_are_refused(word):
    with pytest.raises(UserError, match="not an interval between checkpoints"):
        Interval.parse(word)


def test_steps_count_from_the_first_and_time_from_the_last():
    every = Interval(steps=4)
    assert [step for step in range(1, 13) if every.due(step, 1e9)] == [4, 8, 12]
    assert not Interval(seconds=60.0).due(4, 59.9)
    assert Interval(seconds=60.0).due(5, 60.0)


def test_run_json_brings_back_what_was_said():
    policy = CheckpointPolicy().changed(checkpoint_every="10min", keep_checkpoints=5)
    assert CheckpointPolicy.of({"running": policy.facts()}) == policy
    assert policy.changed(checkpoint_every=None, keep_checkpoints=None) == policy
    assert CheckpointPolicy.of({}) == CheckpointPolicy()


def test_the_last_checkpoint_is_always_kept():
    with pytest.raises(UserError, match="keeps its last checkpoint"):
        CheckpointPolicy().changed(keep_checkpoints=0)


def test_steps_that_run_together_pass_over_no_checkpoint():
    """A TPU runs 32 steps at a time, and ends at few multiples of 500."""
    every = Interval.parse(500)
    due = [step for step in range(32, 3200, 32) if every.due(step, 0.0, 32)]
    assert due == [512, 1024, 1504, 2016, 2528, 3008]
