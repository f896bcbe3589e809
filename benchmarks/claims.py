"""Tests that stand behind figures, run as a benchmark: how many pass, none may fail.

    python benchmarks/claims.py tests/training/test_replicas.py

Takes the words that pytest takes. Prints what pytest prints and, last, one line of JSON.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from output import print_result


class Outcomes:
    """Counts what has passed; a pytest plugin."""

    def __init__(self) -> None:
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the outcome of a test itself, not of its fixtures."""
        self.passed += report.when == "call" and report.passed


def main() -> int:
    """Runs the tests, slow ones included."""
    outcomes = Outcomes()
    with contextlib.chdir(Path(__file__).parents[1]):
        status = pytest.main(["-p", "no:cacheprovider", *sys.argv[1:]], plugins=[outcomes])
    if status == 0:
        print_result("claims", words=sys.argv[1:], passed=outcomes.passed)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
