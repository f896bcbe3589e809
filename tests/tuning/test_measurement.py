"""The log of measurements is read again, and survives a crash in the middle of a line."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.tuning.measurement import Measurement, MeasurementLog

SMALL = Measurement(file_bytes=31456, macs=1000, arena_bytes=8396, problems=("too large",))
LARGE = Measurement(file_bytes=91840, macs=2000, latency_ms=0.25)


def test_a_log_is_read_again(tmp_path):
    path = tmp_path / "measured.jsonl"
    log = MeasurementLog(path)
    log.add("small", SMALL)
    log.add("large", LARGE)
    again = MeasurementLog(path)
    assert (again.get("small"), again.get("large"), again.get("other")) == (SMALL, LARGE, None)


def test_a_last_line_that_a_crash_cut_off_is_dropped_and_not_continued(tmp_path):
    path = tmp_path / "measured.jsonl"
    MeasurementLog(path).add("small", SMALL)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"network": "large", "file_by')
    log = MeasurementLog(path)
    assert log.get("large") is None
    log.add("large", LARGE)
    assert MeasurementLog(path).get("large") == LARGE
    assert path.read_bytes().startswith(whole)


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "measured.jsonl"
    path.write_text('{"network": "small", "weight": 3}\n')
    with pytest.raises(UserError, match="the log of measurements is damaged"):
        MeasurementLog(path)
