"""A search shows a table of what trains on a terminal, and lines elsewhere."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest

from reszoo.report.search_progress import SearchProgress
from reszoo.tuning import Event, MeasureEvent, TrialJob, TrialRecord


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def shows(terminal: bool):
    stream, clock = io.StringIO(), Clock()
    stream.isatty = lambda: terminal
    return SearchProgress(stream, clock=clock), stream, clock


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def job(trial: int, **fields) -> TrialJob:
    changes = {"stages[*].depth": trial}
    return TrialJob(trial, 0, 0, 0, 9, changes, SimpleNamespace(name="net"), None, **fields)


def record(trial: int) -> TrialRecord:
    return TrialRecord(trial, 0, 0, 9, "finished", 0.75, {"stages[*].depth": trial}, {})


def begins(trial: int, done: int = 0) -> Event:
    return Event("begins", job(trial), None, done, 4, record(1) if done else None)


def trains(trial: int, **epoch) -> Event:
    return Event("trains", job(trial), None, 1, 4, record(1), epoch or None, 610.0)


def ends(trial: int) -> Event:
    return Event("ends", job(trial), record(trial), 1, 4, record(trial))


def test_a_terminal_has_a_row_for_each_training_that_runs():
    progress, stream, clock = shows(terminal=True)
    progress(begins(1))
    progress(begins(2))
    clock.now = 75.0
    progress(trains(2, epoch=3, val_accuracy=0.5))
    text = stream.getvalue()
    assert "trial 1" in text
    rows = [" ".join(line.split()) for line in re.sub(r"\x1b\[[0-9;?]*\w", "\n", text).split("\n")]
    assert "trial 1 0 of 9 - 1 min 15 s stages[*].depth=1" in rows
    assert "trial 2 3 of 9 50.00 % 1 min 15 s stages[*].depth=2" in rows
    assert "1 of 4 trainings best: 75.00 % about 10 min left" in rows


def test_a_training_that_has_ended_is_a_line_above_the_table():
    progress, stream, _ = shows(terminal=True)
    progress(begins(1))
    progress(begins(2))
    progress(ends(1))
    line = "1/4  trial 1, 9 epochs: 75.00 %  stages[*].depth=1  best: 75.00 %\n"
    before, after = stream.getvalue().split(line)
    assert "trial 1" in before
    assert "trial 1" not in after
    assert "trial 2" in after
    with progress:
        pass
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_measuring_is_told_below_the_table():
    progress, stream, _ = shows(terminal=True)
    progress(begins(1))
    progress(MeasureEvent(7))
    assert "measuring candidate 7, converted and untrained" in stream.getvalue()


def test_elsewhere_there_are_lines_and_one_a_minute_for_measuring():
    progress, stream, clock = shows(terminal=False)
    assert progress.seconds == 60
    for number in (1, 2):
        progress(MeasureEvent(number))
    progress(begins(1))
    clock.now = 61.0
    progress(MeasureEvent(3))
    progress(trains(1))
    progress(trains(1, epoch=2))
    progress(ends(1))
    assert stream.getvalue().splitlines() == [
        "measuring candidate 1, converted and untrained",
        "0/4  trial 1, 9 epochs: begins  stages[*].depth=1",
        "measuring candidate 3, converted and untrained",
        "1/4  trial 1, epoch 1 of 9: begun  best: 75.00 %  about 10 min left",
        "1/4  trial 1, epoch 2 of 9  best: 75.00 %  about 10 min left",
        "1/4  trial 1, 9 epochs: 75.00 %  stages[*].depth=1  best: 75.00 %",
    ]


def test_references_and_further_seeds_are_called_so():
    progress, stream, _ = shows(terminal=False)
    progress(Event("ends", job(1, kind="reference"), record(1), 1, 4, None))
    progress(Event("ends", job(2, kind="confirm", repeat=1), record(2), 2, 4, None))
    texts = [line.split(",")[0] for line in stream.getvalue().splitlines()]
    assert texts == ["1/4  reference net", "2/4  trial 2 with seed 1"]
