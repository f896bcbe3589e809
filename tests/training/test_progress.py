"""Progress moves on a terminal and stays short in a file."""

import io
import re

import pytest

from reszoo.training.console.progress import Progress, duration, format_metrics


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def progress(terminal, done=0, **options):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    clock = Clock()
    return Progress(2, 100, 10, done=done, stream=stream, clock=clock, **options), stream, clock


@pytest.fixture
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def shown_text(stream):
    """What was written, without control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", stream.getvalue())


def test_a_terminal_gets_a_moving_bar_that_the_epochs_line_replaces(wide_terminal):
    shown, stream, clock = progress(terminal=True)
    assert not shown.wants_step()
    clock.now = 10.0
    assert shown.wants_step()
    for step in (50, 75):
        shown.step(1, step, {"loss": 0.5, "accuracy": 0.75})
    first, second, *_ = re.findall("epoch.*?left", shown_text(stream))
    assert first.startswith("epoch 1/2  step 50/100  ━━━━━━━━━━━━")
    assert first.endswith("loss 0.5000  accuracy 75.00 %  50 images/s  30 s left")
    assert second.startswith("epoch 1/2  step 75/100  ━━━━━━━━━━━━━━━━━━")
    assert "\n" not in shown_text(stream)
    shown.epoch(1, {"loss": 0.25}, 20.0)
    assert "\x1b[2K" in stream.getvalue()  # The bar's line is erased.
    last = shown_text(stream).splitlines()[-1]
    assert last.endswith("epoch 1/2  loss 0.2500  in 20 s  10 s left")


def test_a_bar_never_wraps_on_a_narrow_terminal(wide_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    shown, stream, clock = progress(terminal=True)
    clock.now = 10.0
    shown.step(1, 50, {"loss": 0.5, "accuracy": 0.75, "another": 1.0})
    assert "\n" not in shown_text(stream)


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")], ids=str)
def test_no_bar_moves_where_it_is_not_wanted(wide_terminal, monkeypatch, variable):
    monkeypatch.setenv(*variable)
    shown, stream, clock = progress(terminal=True)
    clock.now = 61.0
    shown.step(1, 61, {})
    assert stream.getvalue() == "epoch 1/2  step 61/100    10 images/s  2:19 left\n"


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


def test_an_interrupted_bar_is_erased_and_the_cursor_shown(wide_terminal):
    shown, stream, clock = progress(terminal=True)
    clock.now = 10.0
    shown.step(1, 50, {})
    shown.close()
    shown.close()
    assert stream.getvalue().rstrip().endswith("\x1b[2K")
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


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
    assert (
        format_metrics({"loss": 1.0, "val_accuracy": 0.8329}) == "loss 1.0000  val_accuracy 83.29 %"
    )
