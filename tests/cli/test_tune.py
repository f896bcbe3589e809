"""`reszoo tune`: the plan of a search, and words that do not go together."""

from __future__ import annotations

import sys

from reszoo.tuning import measured_limits
from tests.cli.conftest import call, refused


def test_measuring_belongs_to_the_plan():
    refused(call("tune", "digits_tiny", "--measure"), "--measure", "add --plan")


def test_a_plan_starts_no_process_for_limits_that_need_none(monkeypatch):
    monkeypatch.setattr(measured_limits, "start_worker", None)
    before = "tensorflow" in sys.modules
    result = call("tune", "digits_tiny", "--plan")
    assert result.code == 0
    assert "measur" not in result.out + result.err
    assert ("tensorflow" in sys.modules) == before


def test_a_target_that_does_not_exist_has_its_place(tmp_path):
    result = call("tune", "digits_tiny", "--set", "limits.target=microcontroler-64k", "--plan")
    refused(result, "microcontroler-64k", "did you mean")
