"""Progress moves on a terminal and stays short in a file."""

import io

import pytest

from reszoo.training.console.progress import Progress, duration, told


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def progress(terminal, done=0, **options):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    clock = Clock()
    return Progress(2, 100, 10, done=done, stream=stream, clock=clock, **options), stream, clock


def test_a_terminal_gets_one_moving_line():
    shown, stream, clock = progress(terminal=True)
    assert not shown.wants_step()
    clock.now = 10.0
    assert shown.wants_step()
    shown.step(1, 50, {"loss": 0.5, "accuracy": 0.75})
    assert stream.getvalue() == (
        "\repoch 1/2  step 50/100  loss 0.5000  accuracy 75.00 %  50 images/s  30 s left"
    )
    shown.epoch(1, {"loss": 0.25}, 20.0)
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count("\n") == 1


def test_a_file_gets_a_line_per_epoch_and_one_a_minute():
    shown, stream, clock = progress(terminal=False)
    clock.now = 59.0
    assert not shown.wants_step()
    clock.now = 61.0
    assert shown.wants_step()
    shown.step(1, 61, {})
    assert not shown.wants_step()
    shown.epoch(1, {"loss": 0.25, "val_accuracy": 0.5}, 100.0)
    last = stream.getvalue().splitlines()[-1]
    assert last == "epoch 1/2  loss 0.2500  val_accuracy 50.00 %  in 1:40  1:01 left"


def test_the_time_left_of_a_resumed_run_counts_new_steps_only():
    shown, stream, clock = progress(terminal=False, done=150)
    clock.now = 10.0
    shown.step(2, 60, {})
    # Ten new steps took ten seconds; forty are left.
    assert "10 images/s  40 s left" in stream.getvalue()


def test_an_interrupted_moving_line_is_ended():
    shown, stream, clock = progress(terminal=True)
    clock.now = 10.0
    shown.step(1, 50, {})
    shown.close()
    shown.close()
    assert stream.getvalue().count("\n") == 1


def test_quiet_says_nothing():
    shown, stream, clock = progress(terminal=True, quiet=True)
    clock.now = 1000.0
    assert not shown.wants_step()
    shown.epoch(1, {}, 1.0)
    shown.say("text")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1:00"), (3972, "1:06:12")]
)
def test_durations_read_as_a_clock(seconds, text):
    assert duration(seconds) == text


def test_accuracies_are_percent():
    assert told({"loss": 1.0, "val_accuracy": 0.8329}) == "loss 1.0000  val_accuracy 83.29 %"
