"""A long comparison says how far it is, and a short one nothing."""

from __future__ import annotations

from itertools import count

import pytest

from reszoo.exporting.report_progress import report_progress


def test_a_line_per_minute_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = count(step=25)
    items = report_progress(range(6), "comparing", clock=lambda: next(seconds))
    assert list(items) == list(range(6))
    # Asked after 25, 50, 75, ... seconds, it speaks after 75 and after 150.
    expected = "comparing: 2 of 6 images\ncomparing: 5 of 6 images\n"
    assert capsys.readouterr().err == expected


def test_what_is_over_within_a_minute_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(report_progress("abc", "comparing", clock=lambda: 0.0)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
